{#-
    A field that the API sends at the top level or inside `attributes`, as text; the top level wins.
-#}
{% macro api_field(name) -%}
    coalesce({{ blank_to_null(name) }}, {{ blank_to_null(json_text('attributes', name)) }})
{%- endmacro %}
