{#-
    The entries of a JSON object as rows to join to its own row, one per key: `key`, `value` and
    `type`, for the macros below.
-#}
{% macro json_entries(column) -%}
    {{ return(adapter.dispatch('json_entries')(column)) }}
{%- endmacro %}

{% macro duckdb__json_entries(column) -%}
    json_each({{ column }})
{%- endmacro %}

{#- Whether a JSON value is an object: PHP back ends send an empty list for an empty one. -#}
{% macro is_json_object(column) -%}
    {{ return(adapter.dispatch('is_json_object')(column)) }}
{%- endmacro %}

{% macro duckdb__is_json_object(column) -%}
    json_type({{ column }}) = 'OBJECT'
{%- endmacro %}

{#- An entry's value as text: a string without its quotes, anything else as JSON; null for null. -#}
{% macro json_entry_text(entry) -%}
    {{ return(adapter.dispatch('json_entry_text')(entry)) }}
{%- endmacro %}

{% macro duckdb__json_entry_text(entry) -%}
    ({{ entry }}.value ->> '$')
{%- endmacro %}

{#- An entry's type: text, number, boolean, list or object; null for null. -#}
{% macro json_entry_type(entry) -%}
    {{ return(adapter.dispatch('json_entry_type')(entry)) }}
{%- endmacro %}

{% macro duckdb__json_entry_type(entry) -%}
    case {{ entry }}.type
        when 'VARCHAR' then 'text'
        when 'BOOLEAN' then 'boolean'
        when 'ARRAY' then 'list'
        when 'OBJECT' then 'object'
        when 'NULL' then null
        else 'number'
    end
{%- endmacro %}
