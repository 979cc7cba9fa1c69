with

contacts as (

    select
        *,
        {{ account_id() }} as account_id
    from {{ ref('int_contacts_resolved') }}

),

versions as (

    select
        *,
        {{ account_id() }} as account_id
    from {{ ref('int_contact_versions') }}

),

as_of as (

    select max(finished_at) as as_of_at from {{ ref('stg_analytics_api__elt_runs') }}

),

contacts_noticed as (

    select
        contact_id,
        min(first_seen_at) as first_seen_at,
        min(case when contact_stage = 'lead' then created_at end) as created_as_lead_at,
        min(noticed_at) as noticed_at,
        min(case when contact_stage <> 'lead' then noticed_at end) as noticed_as_user_at
    from versions
    group by contact_id

),

own_versions as (

    select versions.*
    from versions
    inner join contacts
        on
            versions.contact_id = contacts.contact_id
            and versions.user_id = contacts.user_id

),

known_since as (

    select
        contact_id,
        min(noticed_at) as noticed_at
    from own_versions
    group by contact_id

),

-- contacts that share an account are different people: what it was before is nobody's
sole_contacts as (

    select
        account_id,
        min(contact_id) as contact_id
    from contacts
    where account_id is not null
    group by account_id
    having count(*) = 1

),

-- under another id as a contact, which the user had before
former_versions as (

    select
        versions.*,
        sole_contacts.contact_id as present_contact_id
    from versions
    inner join sole_contacts
        on versions.account_id = sole_contacts.account_id
    left join contacts
        on versions.contact_id = contacts.contact_id
    left join known_since
        on sole_contacts.contact_id = known_since.contact_id
    where
        contacts.contact_id is null
        and (known_since.noticed_at is null or versions.noticed_at < known_since.noticed_at)

),

formerly_noticed as (

    select
        present_contact_id as contact_id,
        min(first_seen_at) as first_seen_at,
        min(noticed_at) as noticed_at
    from former_versions
    group by present_contact_id

),

user_versions as (

{%- set columns = [
    'nps_vote', 'is_end', 'is_of_first_users', 'last_updated_at', 'noticed_at', 'built_at',
    'replaced_at'
] %}

    select
        contact_id,
        {{ columns | join(',\n        ') }}
    from own_versions

    union all

    select
        present_contact_id as contact_id,
        {{ columns | join(',\n        ') }}
    from former_versions

),

-- what the first load of users found may be older: then last_update is the best there is
user_votes as (

    select
        contact_id,
        nps_vote,
        lag(nps_vote) over (
            partition by contact_id
            order by {{ oldest_version_first() }}
        ) as previous_vote,
        case
            when is_of_first_users and last_updated_at < noticed_at then last_updated_at
            else noticed_at
        end as voted_at
    from user_versions
    where not is_end

),

votes as (

    select
        contact_id,
        max(voted_at) as voted_at
    from user_votes
    where nps_vote is not null and (previous_vote is null or previous_vote <> nps_vote)
    group by contact_id

),

-- a build without the snapshots has no version of what the last run brought
known as (

    select
        contacts.contact_id,
        contacts.is_user,
        contacts.is_converted,
        contacts.nps_vote,
        contacts.created_at,
        as_of.as_of_at,
        -- a user's row may lack what the lead's had
        coalesce(
            contacts.first_seen_at,
            least(
                contacts_noticed.first_seen_at,
                case when contacts.is_user then contacts_noticed.created_as_lead_at end,
                formerly_noticed.first_seen_at
            )
        ) as first_seen_at,
        least(contacts_noticed.noticed_at, formerly_noticed.noticed_at, as_of.as_of_at)
            as noticed_at,
        least(contacts_noticed.noticed_as_user_at, formerly_noticed.noticed_at, as_of.as_of_at)
            as noticed_as_user_at,
        coalesce(votes.voted_at, as_of.as_of_at) as voted_at,
        -- a clock that is up to a day ahead is another time zone; beyond, it is wrong
        case
            when contacts.last_active_at <= {{ dbt.dateadd('day', 1, 'as_of.as_of_at') }}
                then contacts.last_active_at
        end as last_active_at
    from contacts
    cross join as_of
    left join contacts_noticed
        on contacts.contact_id = contacts_noticed.contact_id
    left join formerly_noticed
        on contacts.contact_id = formerly_noticed.contact_id
    left join votes
        on contacts.contact_id = votes.contact_id

),

-- the earliest that is known, as nothing is later than the load that saw it
dated as (

    select
        contact_id,
        is_user,
        is_converted,
        as_of_at,
        last_active_at,
        least(first_seen_at, created_at, noticed_at) as first_contact_at,
        case when is_user then least(created_at, noticed_as_user_at) end as signed_up_at,
        case when is_user then coalesce(created_at <= noticed_as_user_at, false) end
            as has_signup_date,
        case when nps_vote is not null then voted_at end as nps_voted_at,
        -- active: the last activity is on one of the last 30 days, today included
        cast({{ dbt.dateadd('day', 29, 'last_active_at') }} as date) as active_until_date
    from known

)

select
    contact_id,
    case
        when is_converted
            then cast({{ dbt.datediff('first_contact_at', 'signed_up_at', 'day') }} as bigint)
    end as days_to_convert,
    case
        when not is_user
            then cast({{ dbt.datediff('first_contact_at', 'as_of_at', 'day') }} as bigint)
    end as waiting_days,
    has_signup_date,
    coalesce(active_until_date >= cast(as_of_at as date), false) as is_active,
    first_contact_at,
    signed_up_at,
    nps_voted_at,
    last_active_at,
    active_until_date
from dated
