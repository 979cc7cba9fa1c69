with

versions as (

    select * from {{ ref('snap_contacts') }}

),

runs as (

    select * from {{ ref('stg_analytics_api__elt_runs') }}

),

runs_and_builds as (

    select
        finished_at as happened_at,
        finished_at,
        false as has_users
    from runs

    union all

    select
        dbt_valid_from as happened_at,
        cast(null as {{ dbt.type_timestamp() }}) as finished_at,
        count(user_id) > 0 as has_users
    from versions
    group by dbt_valid_from

),

-- what a build noticed came with the last run that had finished by then
builds as (

    select
        happened_at as built_at,
        happened_at = min(case when has_users then happened_at end) over () as is_first_of_users,
        finished_at as own_finished_at,
        max(finished_at) over (
            order by happened_at
            range between unbounded preceding and current row
        ) as loaded_at
    from runs_and_builds

),

begun as (

    select
        user_id,
        contact_id,
        dbt_valid_from
    from versions
    where dbt_is_deleted = 'False' and user_id is not null

),

-- a user whose id as a contact came late or changed ends under one id and begins under another in
-- the same build: it was not deleted
ended as (

    select
        versions.dbt_scd_id,
        begun.contact_id as next_contact_id
    from versions
    inner join begun
        on
            versions.user_id = begun.user_id
            and versions.dbt_valid_from = begun.dbt_valid_from
    where versions.dbt_is_deleted = 'True'

),

noticed as (

    select
        versions.*,
        ended.next_contact_id,
        coalesce(builds.is_first_of_users, false) as is_of_first_users,
        coalesce(builds.loaded_at, versions.dbt_valid_from) as noticed_at
    from versions
    inner join builds
        on
            versions.dbt_valid_from = builds.built_at
            and builds.own_finished_at is null
    left join ended
        on versions.dbt_scd_id = ended.dbt_scd_id

)

select
    dbt_scd_id as contact_version_id,
    contact_id,
    next_contact_id,
    user_id,
    email,
    contact_stage,
    role,
    subscription_status,
    country,
    country_code,
    nps_vote,
    is_unsubscribed,
    is_subscription_active,
    {{ is_reachable() }} as is_reachable,
    dbt_is_deleted = 'True' as is_end,
    is_of_first_users,
    first_seen_at,
    created_at,
    last_updated_at,
    -- a version never ends before it begins, but by a clock that was ahead
    least(dbt_valid_from, dbt_valid_to) as built_at,
    dbt_valid_to as replaced_at,
    noticed_at
from noticed
