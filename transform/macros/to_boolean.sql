{#-
    A 0/1 flag, however it is spelled; null where it is neither. Not by `in`: DuckDB makes a join of a
    list of six, for which every query on staging would pay, even one that does not read the flag.
-#}
{% macro to_boolean(text) -%}
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
