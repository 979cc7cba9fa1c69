{#- A text without leading and trailing blanks, or null where nothing is left. -#}
{% macro blank_to_null(text) -%}
    nullif(trim({{ text }}), '')
{%- endmacro %}
