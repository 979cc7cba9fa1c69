{#-
    The entries of a JSON object: to be selected, it makes a row of each, with `key` (text) and
    `value` (JSON). For objects only.
-#}
{% macro json_entries(column) -%}
    {{ return(adapter.dispatch('json_entries')(column)) }}
{%- endmacro %}

{#- DuckDB's own json_each takes ten times as long. -#}
{% macro duckdb__json_entries(column) -%}
    unnest(map_entries(from_json({{ column }}, '"MAP(VARCHAR, JSON)"')))
{%- endmacro %}

{% macro postgres__json_entries(column) -%}
    json_each({{ column }})
{%- endmacro %}

{#- Whether a JSON value is an object: PHP back ends send an empty list for an empty one. -#}
{% macro is_json_object(column) -%}
    {{ return(adapter.dispatch('is_json_object')(column)) }}
{%- endmacro %}

{% macro duckdb__is_json_object(column) -%}
    json_type({{ column }}) = 'OBJECT'
{%- endmacro %}

{% macro postgres__is_json_object(column) -%}
    json_typeof({{ column }}) = 'object'
{%- endmacro %}

{#- A JSON value as text: a string without its quotes, anything else as JSON; null for null. -#}
{% macro json_value_text(value) -%}
    {{ return(adapter.dispatch('json_value_text')(value)) }}
{%- endmacro %}

{% macro duckdb__json_value_text(value) -%}
    ({{ value }} ->> '$')
{%- endmacro %}

{% macro postgres__json_value_text(value) -%}
    ({{ value }} #>> '{}')
{%- endmacro %}

{#- The type of a JSON value: text, number, boolean, list or object; null for null. -#}
{% macro json_value_type(value) -%}
    {{ return(adapter.dispatch('json_value_type')(value)) }}
{%- endmacro %}

{% macro duckdb__json_value_type(value) -%}
    case json_type({{ value }})
        when 'VARCHAR' then 'text'
        when 'BOOLEAN' then 'boolean'
        when 'ARRAY' then 'list'
        when 'OBJECT' then 'object'
        else case when {{ value }} is not null then 'number' end
    end
{%- endmacro %}

{% macro postgres__json_value_type(value) -%}
    case json_typeof({{ value }})
        when 'string' then 'text'
        when 'array' then 'list'
        when 'null' then null
        else json_typeof({{ value }})
    end
{%- endmacro %}
