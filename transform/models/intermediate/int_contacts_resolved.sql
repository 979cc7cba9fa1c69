with

leads as (

    select * from {{ ref('stg_analytics_api__leads') }}

),

users as (

    select * from {{ ref('stg_analytics_api__users') }}

),

contacts_ever_in_leads as (

    select distinct contact_id from {{ ref('snap_leads') }}

),

user_rows as (

    select
        *,
        {{ changed_at() }} as changed_at
    from users

),

-- a user's id as a contact may come late, and rows of its earlier e-mails may lack it
newest_contact_ids as (

    select
        user_id,
        contact_id,
        row_number() over (
            partition by user_id
            order by {{ newest_first() }}, email
        ) as recency
    from user_rows
    where contact_id is not null

),

all_rows as (

    select
        coalesce(
            newest_contact_ids.contact_id, {{ dbt.concat(["'user:'", "user_rows.user_id"]) }}
        ) as contact_id,
        user_rows.user_id,
        true as is_user,
        user_rows.nps_vote,
        user_rows.changed_at,
        user_rows.email,
        user_rows.full_name,
        user_rows.role,
        user_rows.username,
        user_rows.subscription_status,
        user_rows.operating_system,
        user_rows.operating_system_version,
        user_rows.browser_name,
        user_rows.browser_language,
        user_rows.city,
        user_rows.region,
        user_rows.region_code,
        user_rows.country,
        user_rows.country_code,
        user_rows.continent,
        user_rows.continent_code,
        user_rows.latitude,
        user_rows.longitude,
        user_rows.timezone,
        user_rows.postal_code,
        user_rows.utm_source,
        user_rows.utm_medium,
        user_rows.utm_campaign,
        user_rows.utm_content,
        user_rows.utm_term,
        user_rows.referrer,
        user_rows.ab_test,
        user_rows.ab_test_variant,
        user_rows.last_page_viewed_url,
        user_rows.is_unsubscribed,
        user_rows.is_bounced,
        user_rows.is_marked_as_spam,
        user_rows.is_subscription_active,
        user_rows.has_been_lead,
        user_rows.first_seen_at,
        user_rows.created_at,
        user_rows.initiated_checkout_at,
        user_rows.last_active_at,
        user_rows.last_page_viewed_at,
        user_rows.last_updated_at,
        user_rows.loaded_at
    from user_rows
    left join newest_contact_ids
        on
            user_rows.user_id = newest_contact_ids.user_id
            and newest_contact_ids.recency = 1

    union all

    select
        contact_id,
        cast(null as {{ dbt.type_string() }}) as user_id,
        false as is_user,
        cast(null as double) as nps_vote,
        {{ changed_at() }} as changed_at,
        email,
        full_name,
        role,
        username,
        subscription_status,
        operating_system,
        operating_system_version,
        browser_name,
        browser_language,
        city,
        region,
        region_code,
        country,
        country_code,
        continent,
        continent_code,
        latitude,
        longitude,
        timezone,
        postal_code,
        utm_source,
        utm_medium,
        utm_campaign,
        utm_content,
        utm_term,
        referrer,
        ab_test,
        ab_test_variant,
        last_page_viewed_url,
        is_unsubscribed,
        is_bounced,
        is_marked_as_spam,
        is_subscription_active,
        has_been_lead,
        first_seen_at,
        created_at,
        initiated_checkout_at,
        last_active_at,
        last_page_viewed_at,
        last_updated_at,
        loaded_at
    from leads

),

-- a contact can be in both lists, and in users under several e-mails
ranked as (

    select
        *,
        row_number() over (
            partition by contact_id
            order by is_user desc, {{ newest_first() }}, user_id, email
        ) as recency
    from all_rows

),

resolved as (

    select
        ranked.*,
        ranked.is_user
        and (
            coalesce(ranked.has_been_lead, false)
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
    email,
    full_name,
    role,
    username,
    subscription_status,
    operating_system,
    operating_system_version,
    browser_name,
    browser_language,
    city,
    region,
    region_code,
    country,
    country_code,
    continent,
    continent_code,
    latitude,
    longitude,
    timezone,
    postal_code,
    utm_source,
    utm_medium,
    utm_campaign,
    utm_content,
    utm_term,
    referrer,
    ab_test,
    ab_test_variant,
    last_page_viewed_url,
    is_unsubscribed,
    is_bounced,
    is_marked_as_spam,
    is_subscription_active,
    has_been_lead,
    first_seen_at,
    created_at,
    initiated_checkout_at,
    last_active_at,
    last_page_viewed_at,
    last_updated_at,
    loaded_at
from resolved
