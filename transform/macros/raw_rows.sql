{#-
    The rows of a list, or of the rows set aside, as of the last load. Where loads merge into raw, these
    are its rows.
-#}
{% macro raw_rows(table) -%}
    {{ return(adapter.dispatch('raw_rows')(table)) }}
{%- endmacro %}

{% macro default__raw_rows(table) -%}
    {{ source('analytics_api', table) }}
{%- endmacro %}

{#-
    A lake only grows: of the copies of a row the newest counts, and none that is older than the last
    whole read of its list, which would have brought it anew. Without a whole read, all count.
-#}
{% macro spark__raw_rows(table) -%}
    {%- set key = {
        'leads': 'crmhero_user_id', 'users': 'user_id, email', 'rejected_rows': 'resource, row_hash'
    }[table] -%}
    {%- set newest = 'try_cast(_dlt_load_id as double) desc' -%}
    {%- if table == 'rejected_rows' -%}
        {%- set leads, users = last_whole_read('leads'), last_whole_read('users') -%}
        {%- set whole = "case resource when 'leads' then " ~ leads ~ " else " ~ users ~ " end" -%}
    {%- else -%}
        {%- set newest = newest ~ ', _version desc' -%}
        {%- set whole = last_whole_read(table) -%}
    {%- endif -%}
    (
        select * except (_recency)
        from (
            select
                *,
                row_number() over (partition by {{ key }} order by {{ newest }}) as _recency
            from {{ source('analytics_api', table) }}
            where coalesce(try_cast(_dlt_load_id as double) >= {{ whole }}, true)
        )
        where _recency = 1
    )
{%- endmacro %}

{#- The number of the first load of the last run that read a list whole; null where none did. -#}
{% macro last_whole_read(resource) -%}
    (
        select max(try_cast(load_id as double))
        from {{ source('analytics_api', 'elt_runs') }}
        where {{ resource }}_is_whole
    )
{%- endmacro %}

{#-
    All copies of a list's rows in a lake, without those of runs that refused to go on because they met
    too little that was known: another project's, maybe. Such a run was a full one, and none of its
    lists counts as whole. Its loads end where those of the next run begin.
-#}
{% macro accepted_copies(table) -%}
    (
        select copies.*
        from {{ source('analytics_api', table) }} as copies
        where
            not exists (
                select runs.first_load
                from (
                    select
                        try_cast(load_id as double) as first_load,
                        lead(try_cast(load_id as double)) over (
                            order by try_cast(load_id as double)
                        ) as next_load,
                        mode = 'full'
                        and not coalesce(leads_is_whole, false)
                        and not coalesce(users_is_whole, false) as is_refused
                    from {{ source('analytics_api', 'elt_runs') }}
                ) as runs
                where
                    runs.is_refused
                    and try_cast(copies._dlt_load_id as double) >= runs.first_load
                    and coalesce(try_cast(copies._dlt_load_id as double) < runs.next_load, true)
            )
    )
{%- endmacro %}
