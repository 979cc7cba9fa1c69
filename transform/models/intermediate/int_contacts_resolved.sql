{#- what both lists say about a contact -#}
{%- set shared_columns = [
    'email',
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

-- those listed now, and those that a full read has since removed
contacts_ever_in_leads as (

    select contact_id from leads

    union

    select contact_id from {{ ref('snap_lead_ids') }}

),

users_with_recency as (

    select
        *,
        row_number() over (
            partition by user_id
            order by case when contact_id is null then 1 else 0 end, {{ newest_first() }}, email
        ) as contact_id_recency
    from users

),

-- a user's id as a contact may come late, and rows of its earlier e-mails may lack it
identified_users as (

    select
        *,
        coalesce(
            max(case when contact_id_recency = 1 then contact_id end) over (partition by user_id),
            {{ dbt.concat(["'user:'", "user_id"]) }}
        ) as newest_contact_id
    from users_with_recency

),

all_rows as (

    select
        newest_contact_id as contact_id,
        user_id,
        nps_vote,
        true as is_user,
        loaded_at,
        changed_at,
        {{ shared_columns | join(',\n        ') }}
    from identified_users

    union all

    select
        contact_id,
        null as user_id,
        null as nps_vote,
        false as is_user,
        loaded_at,
        changed_at,
        {{ shared_columns | join(',\n        ') }}
    from leads

),

-- a contact can be in both lists, and in users under several e-mails
ranked as (

    select
        *,
        max(case when has_been_lead then 1 else 0 end) over (
            partition by contact_id
        ) as has_lead_flag,
        row_number() over (
            partition by contact_id
            order by case when is_user then 0 else 1 end, {{ newest_first() }}, user_id, email
        ) as recency
    from all_rows

),

resolved as (

    select
        ranked.*,
        ranked.is_user
        and (
            ranked.has_lead_flag = 1
            or contacts_ever_in_leads.contact_id is not null
        ) as is_converted
    from ranked
    left join contacts_ever_in_leads
        on ranked.contact_id = contacts_ever_in_leads.contact_id
    where ranked.recency = 1

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
    nps_vote,
    loaded_at,
    {{ shared_columns | join(',\n    ') }}
from resolved
