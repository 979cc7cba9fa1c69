{#- A 0/1 flag, however it is spelled; null where it is neither. -#}
{% macro to_boolean(text) -%}
    {{ return(adapter.dispatch('to_boolean')(text)) }}
{%- endmacro %}

{#-
    A look-up computes the text once, a `case` in a filter once for each spelling. Not by `in`: DuckDB
    makes a join of a list of six, for which every query on staging would pay, even one that does not
    read the flag.
-#}
{% macro duckdb__to_boolean(text) -%}
    map {
        '1': true, '1.0': true, 'true': true, 't': true, 'yes': true, 'y': true,
        '0': false, '0.0': false, 'false': false, 'f': false, 'no': false, 'n': false
    }[lower({{ trimmed(text) }})]
{%- endmacro %}

{% macro postgres__to_boolean(text) -%}
    case lower({{ trimmed(text) }})
        when '1' then true
        when '1.0' then true
        when 'true' then true
        when 't' then true
        when 'yes' then true
        when 'y' then true
        when '0' then false
        when '0.0' then false
        when 'false' then false
        when 'f' then false
        when 'no' then false
        when 'n' then false
    end
{%- endmacro %}

{% macro spark__to_boolean(text) -%}
    map(
        '1', true, '1.0', true, 'true', true, 't', true, 'yes', true, 'y', true,
        '0', false, '0.0', false, 'false', false, 'f', false, 'no', false, 'n', false
    )[lower({{ trimmed(text) }})]
{%- endmacro %}
