with

leads as (

    select * from {{ ref('dim_leads') }}

)

select
    contact_id,
    user_id,
    utm_source,
    utm_medium,
    utm_campaign,
    referrer,
    country,
    country_code,
    days_to_convert,
    has_signup_date,
    first_contact_at,
    converted_at
from leads
where is_converted
