{#- A part of a whole, 0 to 1; null where the whole is zero. -#}
{% macro rate(part, whole) -%}
    cast({{ part }} as {{ 'double' if target.type == 'spark' else 'double precision' }})
    / nullif({{ whole }}, 0)
{%- endmacro %}
