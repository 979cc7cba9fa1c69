{#- A text without leading and trailing blanks, or null where nothing is left. -#}
{% macro blank_to_null(text) -%}
    nullif({{ trimmed(text) }}, '')
{%- endmacro %}

{#- A text without leading and trailing blanks, tabs and line ends. -#}
{% macro trimmed(text) -%}
    {{ return(adapter.dispatch('trimmed')(text)) }}
{%- endmacro %}

{% macro default__trimmed(text) -%}
    trim({{ text }}, ' ' || chr(9) || chr(10) || chr(13))
{%- endmacro %}

{% macro spark__trimmed(text) -%}
    trim(both ' ' || chr(9) || chr(10) || chr(13) from {{ text }})
{%- endmacro %}
