{#-
    Drops what tests of an earlier release stored in the schema `audit`: no build would ever empty it,
    and a row that failed shows a person.
-#}
{% macro drop_former_audits() -%}
    {%- if execute -%}
        {%- set kept = [] -%}
        {%- for node in graph.nodes.values() if node.resource_type == 'test' -%}
            {%- do kept.append(node.alias) -%}
        {%- endfor -%}
        {%- set tables = run_query(
            "select table_name from information_schema.tables where table_schema = 'audit'"
            " and table_type = 'BASE TABLE' and table_catalog = '" ~ target.database ~ "'"
        ) -%}
        {%- for (name,) in tables.rows if name not in kept -%}
            drop table audit.{{ adapter.quote(name | replace('"', '""')) }};
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}
