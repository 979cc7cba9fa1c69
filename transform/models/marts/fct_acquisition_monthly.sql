with

contacts as (

    select * from {{ ref('dim_contacts') }}

),

conversions as (

    select * from {{ ref('fct_lead_conversions') }}

),

cohorts as (

    select
        {{ month_of('contacts.first_contact_at') }} as first_contact_month,
        contacts.utm_source,
        contacts.utm_medium,
        contacts.utm_campaign,
        count(*) as contacts,
        count(case when contacts.contact_stage <> 'direct_user' then 1 end) as leads,
        count(case when contacts.contact_stage = 'direct_user' then 1 end) as direct_users,
        count(conversions.contact_id) as conversions,
        percentile_cont(0.5) within group (order by conversions.days_to_convert)
            as median_days_to_convert
    from contacts
    left join conversions
        on contacts.contact_id = conversions.contact_id
    group by
        {{ month_of('contacts.first_contact_at') }},
        contacts.utm_source,
        contacts.utm_medium,
        contacts.utm_campaign

)

select
    first_contact_month,
    utm_source,
    utm_medium,
    utm_campaign,
    contacts,
    leads,
    direct_users,
    conversions,
    {{ rate('conversions', 'leads') }} as conversion_rate,
    median_days_to_convert
from cohorts
