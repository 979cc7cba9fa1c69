{#-
    A field that the API sends at the top level or inside `attributes`, as text; the top level wins. The
    outer `nullif` is one for both, as Spark would read the JSON twice for one of its own.
-#}
{% macro api_field(name) -%}
    nullif(coalesce({{ blank_to_null(name) }}, {{ trimmed(json_text('attributes', name)) }}), '')
{%- endmacro %}
