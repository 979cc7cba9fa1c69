{#- The first day of a moment's month, as a date. -#}
{% macro month_of(moment) -%}
    cast({{ dbt.date_trunc('month', moment) }} as date)
{%- endmacro %}
