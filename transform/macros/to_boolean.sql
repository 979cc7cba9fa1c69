{#- A 0/1 flag, however it is spelled; null where it is neither. -#}
{% macro to_boolean(text) -%}
    case
        when lower({{ trimmed(text) }}) in ('1', '1.0', 'true', 't', 'yes', 'y') then true
        when lower({{ trimmed(text) }}) in ('0', '0.0', 'false', 'f', 'no', 'n') then false
    end
{%- endmacro %}
