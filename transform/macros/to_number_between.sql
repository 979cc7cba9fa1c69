{#- A number out of a text; null where it is none or lies outside the range (both ends included). -#}
{% macro to_number_between(text, lowest, highest) -%}
    case
        when {{ dbt.safe_cast(text, api.Column.translate_type('double')) }} between {{ lowest }} and {{ highest }}
            then {{ dbt.safe_cast(text, api.Column.translate_type('double')) }}
    end
{%- endmacro %}
