with

source as (

    select * from {{ source('analytics_api', 'elt_runs') }}

),

renamed as (

    select
        -- ids
        load_id,

        -- strings
        mode as read_mode,

        -- numerics
        leads_rows_read,
        leads_rows_new,
        leads_rows_changed,
        leads_rows_rejected,
        leads_rows_removed,
        leads_requests,
        users_rows_read,
        users_rows_new,
        users_rows_changed,
        users_rows_rejected,
        users_rows_removed,
        users_requests,

        -- booleans
        coalesce(users_is_whole, false) as is_full_sync_of_users,

        -- timestamps (UTC)
        cast(started_at as {{ dbt.type_timestamp() }}) as started_at,
        cast(finished_at as {{ dbt.type_timestamp() }}) as finished_at
    from source

)

select * from renamed
