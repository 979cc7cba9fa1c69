{# A table that is there from the beginning of a build to its good end. As long as it is, the marts
   may be half new, and nothing is published by hand. On Spark nothing ever is. #}
{% macro begin_build() %}
    {%- if flags.WHICH in ('build', 'run', 'snapshot') and target.type != 'spark' %}
        {%- if target.profile_name in ('postgres', 'ducklake') and target.schema == 'marts' %}
            {%- do exceptions.raise_compiler_error(
                "Readers see the schema marts. CONTACTS_MARTS=marts_next builds beside it, and"
                " `elt publish` tests that and puts it in its place."
            ) %}
        {%- endif %}
        {#- after a swap, and in a build of some models, nobody else makes the schema #}
        {%- if execute %}
            {%- do run_query('create schema if not exists ' ~ target.schema) %}
        {%- endif %}
        create table if not exists {{ target.schema }}.unfinished_build as
        select {{ dbt.current_timestamp() }} as begun_at
    {%- endif %}
{% endmacro %}

{% macro finish_build(results) %}
    {%- set bad = [] %}
    {%- for result in results if result.status not in ('success', 'pass', 'warn', 'no-op') %}
        {%- do bad.append(result) %}
    {%- endfor %}
    {%- set is_part = invocation_args_dict.get('select') or invocation_args_dict.get('exclude') %}
    {%- if flags.WHICH == 'build' and not bad and not is_part and target.type != 'spark' %}
        drop table if exists {{ target.schema }}.unfinished_build
    {%- endif %}
{% endmacro %}
