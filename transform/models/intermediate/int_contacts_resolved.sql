{#- what both lists say about a contact -#}
{%- set shared_columns = [
    'full_name',
    'role',
    'username',
    'subscription_status',
    'operating_system',
    'operating_system_version',
    'browser_name',
    'browser_language',
    'city',
    'region',
    'region_code',
    'country',
    'country_code',
    'continent',
    'continent_code',
    'latitude',
    'longitude',
    'timezone',
    'postal_code',
    'utm_source',
    'utm_medium',
    'utm_campaign',
    'utm_content',
    'utm_term',
    'referrer',
    'ab_test',
    'ab_test_variant',
    'last_page_viewed_url',
    'attributes',
    'is_unsubscribed',
    'is_bounced',
    'is_marked_as_spam',
    'is_subscription_active',
    'has_been_lead',
    'first_seen_at',
    'created_at',
    'initiated_checkout_at',
    'last_active_at',
    'last_page_viewed_at',
    'last_updated_at'
] -%}

with

leads as (

    select * from {{ ref('stg_analytics_api__leads') }}

),

users as (

    select * from {{ ref('stg_analytics_api__users') }}

),

-- those that were ever in leads, and that a full sync may since have removed
leads_of_old as (

    select distinct contact_id from {{ ref('snap_lead_ids') }}

),

-- Which row stands for a contact is settled on the keys alone, as sorting whole rows is slow.
accounts as (

    select
        user_id,
        email,
        contact_id,
        has_been_lead,
        loaded_at,
        changed_at,
        last_updated_at,
        {{ account_id() }} as account_id
    from users

),

-- Rows of different ids as a contact are different contacts, whatever else they share. A row
-- without an id belongs to the one id that its account has, which may have come late.
identified_users as (

    select
        *,
        coalesce(
            contact_id,
            case
                when
                    min(contact_id) over (partition by account_id)
                    = max(contact_id) over (partition by account_id)
                    then min(contact_id) over (partition by account_id)
            end,
            {{ contact_id_of_account('account_id') }}
        ) as settled_contact_id
    from accounts

),

-- A user has one e-mail, and what a later load listed is newer: the rows of its earlier e-mails
-- stay in raw until the next full sync.
users_with_recency as (

    select
        *,
        row_number() over (
            partition by settled_contact_id, account_id
            order by loaded_at desc nulls last, {{ newest_first() }}, email
        ) as recency,
        max(case when has_been_lead then 1 else 0 end) over (
            partition by settled_contact_id, account_id
        ) as lead_flag
    from identified_users

),

all_keys as (

    select
        settled_contact_id as contact_id,
        user_id,
        email,
        true as is_user,
        lead_flag,
        loaded_at,
        changed_at,
        last_updated_at
    from users_with_recency
    where recency = 1

    union all

    select
        contact_id,
        null as user_id,
        null as email,
        false as is_user,
        1 as lead_flag,
        loaded_at,
        changed_at,
        last_updated_at
    from leads

),

-- a contact can be in both lists, and have several users
ranked as (

    select
        *,
        max(lead_flag) over (partition by contact_id) as contact_lead_flag,
        row_number() over (
            partition by contact_id
            order by
                case when is_user then 0 else 1 end,
                {{ newest_first() }},
                loaded_at desc nulls last,
                user_id
        ) as recency
    from all_keys

),

settled as (

    select
        ranked.contact_id,
        ranked.user_id,
        ranked.email,
        ranked.is_user,
        ranked.is_user
        and (
            ranked.contact_lead_flag = 1
            or leads_of_old.contact_id is not null
        ) as is_converted
    from ranked
    left join leads_of_old
        on ranked.contact_id = leads_of_old.contact_id
    where ranked.recency = 1

),

resolved as (

    select
        settled.contact_id,
        settled.user_id,
        settled.is_user,
        settled.is_converted,
        users.nps_vote,
        users.loaded_at,
        users.email,
        users.{{ shared_columns | join(',\n        users.') }}
    from settled
    inner join users
        on
            settled.user_id = users.user_id
            and settled.email = users.email

    union all

    select
        settled.contact_id,
        settled.user_id,
        settled.is_user,
        settled.is_converted,
        null as nps_vote,
        leads.loaded_at,
        leads.email,
        leads.{{ shared_columns | join(',\n        leads.') }}
    from settled
    inner join leads
        on settled.contact_id = leads.contact_id
    where not settled.is_user

)

select
    contact_id,
    user_id,
    case
        when is_converted then 'converted_user'
        when is_user then 'direct_user'
        else 'lead'
    end as contact_stage,
    is_user,
    is_converted,
    {{ is_reachable() }} as is_reachable,
    nps_vote,
    loaded_at,
    email,
    {{ shared_columns | join(',\n    ') }}
from resolved
