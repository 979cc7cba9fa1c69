with

versions as (

    select * from {{ ref('int_contact_versions') }}

),

compared as (

    select
        *,
        row_number() over next_version as version_number,
        lag(contact_stage) over next_version as previous_contact_stage,
        lag(subscription_status) over next_version as previous_subscription_status,
        lag(is_subscription_active) over next_version as was_subscription_active,
        lag(role) over next_version as previous_role,
        lag(country) over next_version as previous_country,
        lag(country_code) over next_version as previous_country_code,
        lag(is_reachable) over next_version as was_reachable,
        lag(is_unsubscribed) over next_version as was_unsubscribed,
        lag(is_end) over next_version as had_ended,
        lead(contact_id) over next_version is null as is_latest
    from versions
    window next_version as (
        partition by contact_id
        order by {{ oldest_version_first() }}
    )

)

select
    contact_id,
    version_number,
    case
        when is_end and next_contact_id is not null then 'renumbered'
        when is_end then 'deleted'
        when version_number = 1 then 'first_seen'
        when had_ended then 'returned'
        else 'changed'
    end as change_type,
    next_contact_id,
    user_id,
    email,
    contact_stage,
    previous_contact_stage,
    subscription_status,
    previous_subscription_status,
    role,
    previous_role,
    country,
    previous_country,
    country_code,
    previous_country_code,
    nps_vote,
    is_subscription_active,
    was_subscription_active,
    is_reachable,
    was_reachable,
    is_latest and not is_end as is_current,
    version_number > 1 and contact_stage <> previous_contact_stage as has_stage_changed,
    version_number > 1
    and (
        coalesce(subscription_status, '') <> coalesce(previous_subscription_status, '')
        or coalesce(is_subscription_active, false) <> coalesce(was_subscription_active, false)
    ) as has_subscription_changed,
    version_number > 1
    and coalesce(role, '') <> coalesce(previous_role, '') as has_role_changed,
    version_number > 1
    and case
        -- a name may be spelled in several ways; where both have a code, it decides
        when country_code is not null and previous_country_code is not null
            then country_code <> previous_country_code
        when country is not null and previous_country is not null
            then country <> previous_country
        else
            coalesce(country_code, country, '')
            <> coalesce(previous_country_code, previous_country, '')
    end as has_country_changed,
    version_number > 1 and is_reachable <> was_reachable as has_reachability_changed,
    version_number > 1
    and coalesce(is_unsubscribed, false)
    and not coalesce(was_unsubscribed, false) as has_unsubscribed,
    noticed_at as changed_at,
    case when is_end and next_contact_id is null then noticed_at end as deleted_at
from compared
