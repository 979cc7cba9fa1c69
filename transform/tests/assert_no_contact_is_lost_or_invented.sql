-- A returned id is in the lists and not among the contacts, or the other way round: every number
-- would be wrong. A user without an id as a contact may be there under an id that came late, or as
-- another account's contact.
with

leads as (

    select contact_id from {{ ref('stg_analytics_api__leads') }}

),

users as (

    select
        contact_id,
        {{ account_id() }} as account_id
    from {{ ref('stg_analytics_api__users') }}

),

contacts as (

    select
        contact_id,
        is_user,
        {{ account_id() }} as account_id
    from {{ ref('int_contacts_resolved') }}

),

-- many contacts can share one
accounts_of_contacts as (

    select distinct account_id from contacts

),

-- a user that has one id as a contact in any of its rows has it in all
listed_ids as (

    select contact_id from leads

    union all

    select contact_id from users
    where contact_id is not null

    union all

    select {{ contact_id_of_account('account_id') }} as contact_id
    from users
    group by account_id
    having count(*) > count(contact_id) and count(distinct contact_id) <> 1

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
    users.contact_id as id
from users
left join contacts
    on users.contact_id = contacts.contact_id and contacts.is_user
where users.contact_id is not null and contacts.contact_id is null

union all

select
    'lost account' as problem,
    users.account_id as id
from users
left join accounts_of_contacts as own
    on users.account_id = own.account_id
left join contacts as shared
    on users.contact_id = shared.contact_id and shared.is_user
group by users.account_id
having count(own.account_id) = 0 and count(shared.contact_id) = 0

union all

select
    'invented contact' as problem,
    contacts.contact_id as id
from contacts
left join listed_ids
    on contacts.contact_id = listed_ids.contact_id
where listed_ids.contact_id is null
