{#- DuckLake keeps a comment of a view, but none of a view's columns. -#}
{% macro duckdb__alter_column_comment(relation, column_dict) -%}
    {%- if not (relation.is_view and adapter.is_ducklake(relation)) -%}
        {{ return(dbt.duckdb__alter_column_comment(relation, column_dict)) }}
    {%- endif -%}
{%- endmacro %}
