with

runs as (

    select * from {{ ref('stg_analytics_api__elt_runs') }}

)

select
    load_id,
    read_mode,
    leads_rows_read,
    leads_rows_new,
    leads_rows_changed,
    leads_rows_removed,
    leads_rows_rejected,
    users_rows_read,
    users_rows_new,
    users_rows_changed,
    users_rows_removed,
    users_rows_rejected,
    coalesce(leads_rows_rejected, 0) + coalesce(users_rows_rejected, 0) as rows_rejected,
    coalesce(leads_requests, 0) + coalesce(users_requests, 0) as requests,
    cast({{ dbt.datediff('started_at', 'finished_at', 'second') }} as bigint) as duration_seconds,
    started_at = max(started_at) over () as is_latest,
    started_at,
    finished_at
from runs
