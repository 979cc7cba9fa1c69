with

contacts as (

    select * from {{ ref('int_contacts_resolved') }}

),

dates as (

    select * from {{ ref('int_contacts_dated') }}

)

select
    contacts.contact_id,
    contacts.user_id,
    contacts.email,
    contacts.full_name,
    contacts.contact_stage,
    contacts.role,
    contacts.username,
    contacts.subscription_status,
    contacts.operating_system,
    contacts.operating_system_version,
    contacts.browser_name,
    contacts.browser_language,
    contacts.city,
    contacts.region,
    contacts.region_code,
    contacts.country,
    contacts.country_code,
    contacts.continent,
    contacts.continent_code,
    contacts.latitude,
    contacts.longitude,
    contacts.timezone,
    contacts.postal_code,
    contacts.utm_source,
    contacts.utm_medium,
    contacts.utm_campaign,
    contacts.utm_content,
    contacts.utm_term,
    contacts.referrer,
    contacts.last_page_viewed_url,
    contacts.is_user,
    contacts.is_converted,
    contacts.is_unsubscribed,
    contacts.is_bounced,
    contacts.is_marked_as_spam,
    contacts.is_reachable,
    dates.is_active,
    dates.first_contact_at,
    contacts.first_seen_at,
    contacts.created_at,
    dates.signed_up_at,
    dates.last_active_at,
    contacts.last_page_viewed_at,
    contacts.last_updated_at,
    contacts.loaded_at,
    dates.active_until_date
from contacts
inner join dates
    on contacts.contact_id = dates.contact_id
