with

contacts as (

    select * from {{ ref('dim_contacts') }}

),

months as (

    select
        {{ month_of('first_contact_at') }} as first_contact_month,
        count(*) as contacts,
        count(email) as contacts_with_email,
        count(case when email is not null and is_unsubscribed then 1 end) as unsubscribed,
        count(case when email is not null and is_bounced then 1 end) as bounced,
        count(case when email is not null and is_marked_as_spam then 1 end) as marked_as_spam,
        count(case when is_reachable then 1 end) as reachable
    from contacts
    group by {{ month_of('first_contact_at') }}

)

select
    first_contact_month,
    contacts,
    contacts_with_email,
    unsubscribed,
    bounced,
    marked_as_spam,
    reachable,
    {{ rate('unsubscribed', 'contacts_with_email') }} as unsubscribed_rate,
    {{ rate('bounced', 'contacts_with_email') }} as bounced_rate,
    {{ rate('marked_as_spam', 'contacts_with_email') }} as marked_as_spam_rate,
    {{ rate('reachable', 'contacts_with_email') }} as reachable_rate
from months
