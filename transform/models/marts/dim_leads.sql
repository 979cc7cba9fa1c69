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
    contacts.utm_source,
    contacts.utm_medium,
    contacts.utm_campaign,
    contacts.utm_content,
    contacts.utm_term,
    contacts.referrer,
    contacts.country,
    contacts.country_code,
    dates.waiting_days,
    dates.days_to_convert,
    contacts.is_converted,
    contacts.is_unsubscribed,
    contacts.is_bounced,
    contacts.is_marked_as_spam,
    contacts.is_reachable,
    dates.is_active,
    dates.has_signup_date,
    dates.first_contact_at,
    contacts.first_seen_at,
    contacts.created_at,
    dates.signed_up_at as converted_at,
    dates.last_active_at,
    contacts.last_updated_at,
    contacts.loaded_at
from contacts
inner join dates
    on contacts.contact_id = dates.contact_id
where not contacts.is_user or contacts.is_converted
