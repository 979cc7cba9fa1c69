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

{#-
    Numbers are spelled as on DuckDB: Spark makes 1.23456789E7 of 12345678.9 as a text, and 100 of 100.0
    as a variant, which alone knows the type. So `value` has a text and a type.
-#}
{% macro spark__json_entries(column) -%}
    explode(map_entries(map_zip_with(
        from_json({{ column }}, 'map<string, string>'),
        from_json({{ column }}, 'map<string, variant>'),
        (key, as_text, as_variant) -> struct(
            case
                when schema_of_variant(as_variant) = 'STRING' or as_text not rlike '^[0-9.-]+E'
                    then as_text
                when cast(as_variant as string) like '%E%'
                    then replace(replace(cast(as_variant as string), '.0E', 'E'), 'E', 'e')
                when cast(as_variant as string) like '%.%' then cast(as_variant as string)
                else cast(as_variant as string) || '.0'
            end as spelled,
            schema_of_variant(as_variant) as type
        )
    )))
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

{% macro spark__is_json_object(column) -%}
    json_object_keys({{ column }}) is not null
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

{% macro spark__json_value_text(value) -%}
    {{ value }}.spelled
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

{% macro spark__json_value_type(value) -%}
    case regexp_extract({{ value }}.type, '^[A-Z]+', 0)
        when 'STRING' then 'text'
        when 'BOOLEAN' then 'boolean'
        when 'ARRAY' then 'list'
        when 'OBJECT' then 'object'
        when 'VOID' then null
        else 'number'
    end
{%- endmacro %}
