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
        {%- for name in audits() if name not in kept -%}
            {%- do run_query('drop table audit.' ~ adapter.quote(name | replace('"', '""'))) -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}

{#- The names of the tables in the schema `audit`. -#}
{% macro audits() -%}
    {{ return(adapter.dispatch('audits')()) }}
{%- endmacro %}

{% macro default__audits() -%}
    {%- set tables = run_query(
        "select table_name from information_schema.tables where table_schema = 'audit'"
        " and table_type = 'BASE TABLE' and table_catalog = '" ~ target.database ~ "'"
    ) -%}
    {{ return(tables.columns['table_name'].values()) }}
{%- endmacro %}

{% macro spark__audits() -%}
    {%- do run_query('create schema if not exists audit') -%}
    {{ return(run_query('show tables in audit').columns['tableName'].values()) }}
{%- endmacro %}
