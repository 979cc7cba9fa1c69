{#- The first value of a window's rows that is not null. The window has no frame of its own. -#}
{% macro first_known(column, window) -%}
    {{ return(adapter.dispatch('first_known')(column, window)) }}
{%- endmacro %}

{% macro duckdb__first_known(column, window) -%}
    first_value({{ column }} ignore nulls) over (
        {{ window }} rows between unbounded preceding and unbounded following
    )
{%- endmacro %}

{% macro postgres__first_known(column, window) -%}
    (array_agg({{ column }}) filter (where {{ column }} is not null) over (
        {{ window }} rows between unbounded preceding and unbounded following
    ))[1]
{%- endmacro %}
