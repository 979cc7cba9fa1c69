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
    contacts.username,
    contacts.role,
    contacts.subscription_status,
    contacts.ab_test,
    contacts.ab_test_variant,
    contacts.country,
    contacts.country_code,
    contacts.nps_vote,
    case
        when contacts.nps_vote >= 9 then 'promoter'
        when contacts.nps_vote >= 7 then 'passive'
        when contacts.nps_vote >= 0 then 'detractor'
    end as nps_category,
    contacts.is_converted,
    contacts.is_subscription_active,
    contacts.is_unsubscribed,
    contacts.is_bounced,
    contacts.is_marked_as_spam,
    contacts.is_reachable,
    dates.is_active,
    dates.has_signup_date,
    dates.first_contact_at,
    contacts.first_seen_at,
    contacts.created_at,
    dates.signed_up_at,
    contacts.initiated_checkout_at,
    dates.nps_voted_at,
    dates.last_active_at,
    contacts.last_updated_at,
    contacts.loaded_at
from contacts
inner join dates
    on contacts.contact_id = dates.contact_id
where contacts.is_user
