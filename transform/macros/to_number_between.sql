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

{#-
    A cast fails on what is no number and on what no double holds. The pattern keeps out the one, and
    with the length the other: no number of 100 characters and an exponent below 200 is too large or
    too small.
-#}
{% macro postgres__to_number(text) -%}
    {%- set digits = '[0-9](_?[0-9])*' -%}
    {%- set blanks = '[ \\t\\n\\v\\f\\r]*' -%}
    {%- set exponent = '[eE][+-]?0*1?[0-9]{1,2}' -%}
    case
        when
            length({{ trimmed(text) }}) <= 100
            and {{ text }}
            ~ '^{{ blanks }}[+]?-?({{ digits }}([.]({{ digits }})?)?|[.]{{ digits }})({{ exponent }})?{{ blanks }}$'
            then cast(translate({{ text }}, '+_', '') as double precision)
    end
{%- endmacro %}

{#-
    Java's doubles can also end in `d` or `f` or begin with `0x`, and have no underscores. The first
    pattern is a fast one for nearly all numbers. The `+` at the end of a repetition keeps Java from
    going back, for which it would need as deep a stack as the text is long.
-#}
{% macro spark__to_number(text) -%}
    {%- set digits = '[0-9]++(?:_[0-9]++)*+' -%}
    {%- set fraction = '[.](?:' ~ digits ~ ')?' -%}
    {%- set exponent = '(?:[eE][+-]?' ~ digits ~ ')?' -%}
    case
        when {{ text }} rlike r'^-?[0-9]+(?:[.][0-9]+)?\z'
            then try_cast({{ text }} as double)
        when
            {{ text }}
            rlike r'^\s*+[+]?-?(?:{{ digits }}(?:{{ fraction }})?|[.]{{ digits }}){{ exponent }}\s*+\z'
            then try_cast(translate({{ text }}, '+_', '') as double)
    end
{%- endmacro %}
