{#-
    Schemas are named exactly as configured, without the target's name before them. The marts are
    where the target says: on a server, they are built beside those that readers see.
-#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {%- set is_mart = custom_schema_name in (none, 'marts') -%}
    {{ (target.schema if is_mart else custom_schema_name) | trim }}
{%- endmacro %}
