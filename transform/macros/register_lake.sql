{#-
    On Spark, makes each source a table over the lake's files, with the columns of all of them: files of
    later loads can have more. Anew with each build, as Spark keeps a table's columns and list of files.
    Dropping such a table leaves the files.
-#}
{% macro register_lake() %}
    {%- if execute and target.type == 'spark' and flags.WHICH in ('build', 'run', 'test') %}
        {%- set lake = dbt.escape_single_quotes(env_var('CONTACTS_LAKE').rstrip('/')) %}
        {%- for source in graph.sources.values() %}
            {%- if loop.first %}
                {%- do run_query('create schema if not exists ' ~ source.schema) %}
            {%- endif %}
            {%- set table = source.schema ~ '.' ~ source.identifier %}
            {%- do run_query('drop table if exists ' ~ table) %}
            {%- do run_query(
                'create table ' ~ table ~ " using parquet options (mergeSchema 'true', path '"
                ~ lake ~ '/' ~ source.schema ~ '/' ~ source.identifier ~ "')"
            ) %}
        {%- endfor %}
    {%- endif %}
{% endmacro %}
