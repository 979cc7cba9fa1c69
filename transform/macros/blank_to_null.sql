{#- A text without leading and trailing blanks, or null where nothing is left. -#}
{% macro blank_to_null(text) -%}
    nullif({{ trimmed(text) }}, '')
{%- endmacro %}

{#- A text without blanks around it: spaces of Unicode, line ends and what has no width. -#}
{% macro trimmed(text) -%}
    {{ return(adapter.dispatch('trimmed')(text)) }}
{%- endmacro %}

{#- DuckDB's `trim` takes ten times as long with so many characters. -#}
{% macro duckdb__trimmed(text) -%}
    {%- set blanks = [] -%}
    {%- for first, last in blank_ranges() -%}
        {%- do blanks.append('\\x{%x}-\\x{%x}' | format(first, last)) -%}
    {%- endfor -%}
    regexp_replace({{ text }}, '^[{{ blanks | join }}]+|[{{ blanks | join }}]+$', '', 'g')
{%- endmacro %}

{% macro postgres__trimmed(text) -%}
    btrim({{ text }}, U&'{{ blanks_escaped('\\%04x') }}')
{%- endmacro %}

{% macro spark__trimmed(text) -%}
    trim(both '{{ blanks_escaped('\\u%04x') }}' from {{ text }})
{%- endmacro %}

{#-
    First and last code points of the characters that count as blanks. `BLANKS` in extract/values.py has
    the same: it trims the keys of raw tables. Not among them are those that only turn the direction.
-#}
{% macro blank_ranges() -%}
    {{ return([
        (9, 13), (28, 32), (133, 133), (160, 160), (173, 173), (5760, 5760), (6158, 6158),
        (8192, 8205), (8232, 8233), (8239, 8239), (8287, 8292), (12288, 12288), (65279, 65279)
    ]) }}
{%- endmacro %}

{% macro blanks_escaped(escape) -%}
    {%- for first, last in blank_ranges() -%}
        {%- for code_point in range(first, last + 1) -%}
            {{- escape | format(code_point) -}}
        {%- endfor -%}
    {%- endfor -%}
{%- endmacro %}
