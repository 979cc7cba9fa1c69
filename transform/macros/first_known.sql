{#- The first value that is not null of a named window, whose frame is all rows. -#}
{% macro first_known(column, window) -%}
    {{ return(adapter.dispatch('first_known')(column, window)) }}
{%- endmacro %}

{% macro duckdb__first_known(column, window) -%}
    first_value({{ column }} ignore nulls) over {{ window }}
{%- endmacro %}

{% macro postgres__first_known(column, window) -%}
    (array_agg({{ column }}) filter (where {{ column }} is not null) over {{ window }})[1]
{%- endmacro %}

{% macro spark__first_known(column, window) -%}
    first_value({{ column }}) ignore nulls over {{ window }}
{%- endmacro %}
