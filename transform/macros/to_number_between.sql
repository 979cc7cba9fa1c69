{#- A number out of a text; null where it is none or outside the range, both ends included. -#}
{% macro to_number_between(text, lowest, highest) -%}
    {%- set number = to_number(trimmed(text)) -%}
    case when {{ number }} between {{ lowest }} and {{ highest }} then {{ number }} end
{%- endmacro %}

{#-
    A number out of a text without blanks around it; null where it is none. Only decimal notation counts:
    a sign, digits with a fraction, an exponent. Databases also read `1_0`, `nan`, `0x10` or `1d`, each
    others. No number of 100 characters and an exponent below 200 is too large or too small for a
    double, on which some casts fail.
-#}
{% macro to_number(text) -%}
    {{ return(adapter.dispatch('to_number')(
        text, '[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?0*1?[0-9]{1,2})?'
    )) }}
{%- endmacro %}

{% macro duckdb__to_number(text, pattern) -%}
    case
        when regexp_full_match({{ text }}, '{{ pattern }}') and length({{ text }}) <= 100
            then try_cast({{ text }} as double)
    end
{%- endmacro %}

{% macro postgres__to_number(text, pattern) -%}
    case
        when length({{ text }}) <= 100 and {{ text }} ~ '^{{ pattern }}$'
            then cast({{ text }} as double precision)
    end
{%- endmacro %}

{% macro spark__to_number(text, pattern) -%}
    case
        when length({{ text }}) <= 100 and {{ text }} rlike r'^{{ pattern }}\z'
            then try_cast({{ text }} as double)
    end
{%- endmacro %}
