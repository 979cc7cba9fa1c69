-- A returned id is in the lists and not among the contacts, or the other way round: every number
-- would be wrong. A user may be there under an id that came late, or as another account's contact.
with

leads as (

    select contact_id from {{ ref('stg_analytics_api__leads') }}

),

users as (

    select
        user_id,
        contact_id
    from {{ ref('stg_analytics_api__users') }}

),

contacts as (

    select
        contact_id,
        user_id,
        is_user
    from {{ ref('int_contacts_resolved') }}

),

-- a user that has an id as a contact in one of its rows has it in all
listed_ids as (

    select contact_id from leads

    union all

    select contact_id from users
    where contact_id is not null

    union all

    select {{ dbt.concat(["'user:'", "user_id"]) }} as contact_id
    from users
    group by user_id
    having count(contact_id) = 0

)

select
    'lost lead' as problem,
    leads.contact_id as id
from leads
left join contacts
    on leads.contact_id = contacts.contact_id
where contacts.contact_id is null

union all

select
    'lost user' as problem,
    users.user_id as id
from users
left join contacts as own
    on users.user_id = own.user_id
left join contacts as shared
    on users.contact_id = shared.contact_id and shared.is_user
group by users.user_id
having count(own.contact_id) = 0 and count(shared.contact_id) = 0

union all

select
    'invented contact' as problem,
    contacts.contact_id as id
from contacts
left join listed_ids
    on contacts.contact_id = listed_ids.contact_id
where listed_ids.contact_id is null
