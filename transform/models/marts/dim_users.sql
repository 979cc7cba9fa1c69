with

contacts as (

    select * from {{ ref('int_contacts_resolved') }}

)

select
    contact_id,
    user_id,
    email,
    full_name,
    username,
    role,
    subscription_status,
    ab_test,
    ab_test_variant,
    country,
    country_code,
    nps_vote,
    is_converted,
    is_subscription_active,
    is_unsubscribed,
    is_bounced,
    is_marked_as_spam,
    first_seen_at,
    created_at,
    initiated_checkout_at,
    last_active_at,
    last_updated_at,
    loaded_at
from contacts
where is_user
