with

contacts as (

    select * from {{ ref('int_contacts_resolved') }}

)

select
    contact_id,
    user_id,
    email,
    full_name,
    utm_source,
    utm_medium,
    utm_campaign,
    utm_content,
    utm_term,
    referrer,
    country,
    country_code,
    is_converted,
    is_unsubscribed,
    is_bounced,
    is_marked_as_spam,
    first_seen_at,
    created_at,
    last_active_at,
    last_updated_at,
    loaded_at
from contacts
where not is_user or is_converted
