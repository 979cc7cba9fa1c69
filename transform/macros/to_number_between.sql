{#- A number out of a text; null where it is none or outside the range, both ends included. -#}
{% macro to_number_between(text, lowest, highest) -%}
    case
        when {{ to_number(text) }} between {{ lowest }} and {{ highest }} then {{ to_number(text) }}
    end
{%- endmacro %}

{#- dbt's safe_cast is a plain cast on DuckDB: it fails on a text that is no number. -#}
{% macro to_number(text) -%}
    {{ return(adapter.dispatch('to_number')(text)) }}
{%- endmacro %}

{% macro duckdb__to_number(text) -%}
    try_cast({{ text }} as double)
{%- endmacro %}
