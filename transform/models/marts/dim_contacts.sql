with

contacts as (

    select * from {{ ref('int_contacts_resolved') }}

)

select
    contact_id,
    user_id,
    email,
    full_name,
    contact_stage,
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
    last_page_viewed_url,
    is_user,
    is_converted,
    is_unsubscribed,
    is_bounced,
    is_marked_as_spam,
    first_seen_at,
    created_at,
    last_active_at,
    last_page_viewed_at,
    last_updated_at,
    loaded_at
from contacts
