with

versions as (

    select
        *,
        {{ account_id() }} as account_id
    from {{ ref('snap_contacts') }}

),

runs as (

    select
        finished_at,
        max(case when is_full_sync_of_users then finished_at end) over (
            order by finished_at
            rows between unbounded preceding and 1 preceding
        ) as former_full_sync_at
    from {{ ref('stg_analytics_api__elt_runs') }}

),

runs_and_builds as (

    select
        finished_at as happened_at,
        finished_at,
        former_full_sync_at,
        false as has_users
    from runs

    union all

    select
        dbt_valid_from as happened_at,
        cast(null as {{ dbt.type_timestamp() }}) as finished_at,
        cast(null as {{ dbt.type_timestamp() }}) as former_full_sync_at,
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
        max(finished_at) over so_far as loaded_at,
        max(former_full_sync_at) over so_far as former_full_sync_at
    from runs_and_builds
    window so_far as (
        order by happened_at
        range between unbounded preceding and current row
    )

),

noticed as (

    select
        versions.*,
        builds.former_full_sync_at,
        coalesce(builds.is_first_of_users, false) as is_of_first_users,
        coalesce(builds.loaded_at, versions.dbt_valid_from) as noticed_at
    from versions
    inner join builds
        on
            versions.dbt_valid_from = builds.built_at
            and builds.own_finished_at is null

),

-- more than a few ids are those of people that share a user id
accounts_of_ids as (

    select account_id
    from versions
    group by account_id
    having count(distinct contact_id) between 2 and 10

),

-- A user whose id as a contact came late or changed ends under one id and goes on under another: it
-- was not deleted. Two contacts that one full sync listed are two people, though.
next_contacts as (

    select
        ends.dbt_scd_id,
        known.contact_id
    from noticed as ends
    inner join accounts_of_ids
        on ends.account_id = accounts_of_ids.account_id
    inner join noticed as known
        on
            ends.account_id = known.account_id
            and ends.contact_id <> known.contact_id
            and ends.dbt_valid_from >= known.dbt_valid_from
            and known.dbt_is_deleted = 'False'
    where ends.dbt_is_deleted = 'True'
    group by ends.dbt_scd_id, known.contact_id
    having
        max(
            case
                when known.dbt_valid_to is null or known.dbt_valid_to > ends.dbt_valid_from
                    then 1
            end
        ) = 1
        and min(
            case when known.noticed_at <= ends.former_full_sync_at then 0 else 1 end
        ) = 1

),

renumbered as (

    select
        dbt_scd_id,
        min(contact_id) as next_contact_id
    from next_contacts
    group by dbt_scd_id
    having count(*) = 1

),

completed as (

    select
        noticed.*,
        renumbered.next_contact_id
    from noticed
    left join renumbered
        on noticed.dbt_scd_id = renumbered.dbt_scd_id

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
    upper(country_code) as country_code,
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
from completed
