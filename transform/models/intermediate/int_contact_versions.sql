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
        finished_at
    from runs

    union all

    select distinct
        dbt_valid_from as happened_at,
        cast(null as {{ dbt.type_timestamp() }}) as finished_at
    from versions

),

-- what a build noticed came with the last run that had finished by then
builds as (

    select
        happened_at as built_at,
        finished_at as own_finished_at,
        max(finished_at) over (
            order by happened_at
            range between unbounded preceding and current row
        ) as loaded_at
    from runs_and_builds

),

numbered_versions as (

    select
        user_id,
        contact_id,
        dbt_valid_from,
        row_number() over (
            partition by user_id
            order by dbt_valid_from, contact_id
        ) as number_order
    from versions
    where user_id is not null and contact_id <> {{ dbt.concat(["'user:'", "user_id"]) }}

),

-- a user that got its number as a contact late is the contact `user:<user_id>` before
late_numbers as (

    select
        {{ dbt.concat(["'user:'", "user_id"]) }} as first_contact_id,
        contact_id,
        dbt_valid_from
    from numbered_versions
    where number_order = 1

),

-- and when it got the number, it was not deleted
versions_of_contacts as (

    select
        versions.*,
        coalesce(late_numbers.contact_id, versions.contact_id) as settled_contact_id,
        coalesce(builds.loaded_at, versions.dbt_valid_from) as noticed_at
    from versions
    inner join builds
        on
            versions.dbt_valid_from = builds.built_at
            and builds.own_finished_at is null
    left join late_numbers
        on versions.contact_id = late_numbers.first_contact_id
    where
        late_numbers.contact_id is null
        or versions.dbt_is_deleted = 'False'
        or versions.dbt_valid_from <> late_numbers.dbt_valid_from

)

select
    settled_contact_id as contact_id,
    row_number() over (
        partition by settled_contact_id
        order by dbt_valid_from, dbt_scd_id
    ) as version_number,
    user_id,
    email,
    contact_stage,
    role,
    subscription_status,
    country,
    country_code,
    nps_vote,
    is_unsubscribed,
    {{ is_reachable() }} as is_reachable,
    dbt_is_deleted = 'True' as is_deletion,
    dbt_valid_from = min(dbt_valid_from) over () as is_of_first_build,
    last_updated_at,
    noticed_at
from versions_of_contacts
