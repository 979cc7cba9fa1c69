with

days as (

    select * from {{ ref('int_days_spanned') }}

),

contacts as (

    select * from {{ ref('dim_contacts') }}

),

changes as (

    select * from {{ ref('fct_contact_changes') }}

),

arrivals as (

    select
        cast(first_contact_at as date) as date_day,
        count(*) as new_contacts,
        count(case when contact_stage <> 'direct_user' then 1 end) as new_leads
    from contacts
    group by cast(first_contact_at as date)

),

signups as (

    select
        cast(signed_up_at as date) as date_day,
        count(*) as new_users,
        count(case when is_converted then 1 end) as conversions
    from contacts
    where is_user
    group by cast(signed_up_at as date)

),

noticed as (

    select
        cast(changed_at as date) as date_day,
        count(case when has_unsubscribed then 1 end) as unsubscribes,
        count(deleted_at) as deletions
    from changes
    group by cast(changed_at as date)

),

-- whoever is active later is so all the time since its first contact
active_spans as (

    select
        cast(first_contact_at as date) as first_date,
        active_until_date as last_date
    from contacts
    where active_until_date >= cast(first_contact_at as date)

),

activations as (

    select
        first_date as date_day,
        count(*) as activated
    from active_spans
    group by first_date

),

lapses as (

    select
        cast({{ dbt.dateadd('day', 1, 'last_date') }} as date) as date_day,
        count(*) as lapsed
    from active_spans
    group by last_date

),

daily as (

    select
        days.date_day,
        coalesce(arrivals.new_contacts, 0) as new_contacts,
        coalesce(arrivals.new_leads, 0) as new_leads,
        coalesce(signups.new_users, 0) as new_users,
        coalesce(signups.conversions, 0) as conversions,
        coalesce(noticed.unsubscribes, 0) as unsubscribes,
        coalesce(noticed.deletions, 0) as deletions,
        coalesce(activations.activated, 0) - coalesce(lapses.lapsed, 0) as more_active
    from days
    left join arrivals
        on days.date_day = arrivals.date_day
    left join signups
        on days.date_day = signups.date_day
    left join noticed
        on days.date_day = noticed.date_day
    left join activations
        on days.date_day = activations.date_day
    left join lapses
        on days.date_day = lapses.date_day

)

select
    date_day,
    new_contacts,
    new_leads,
    new_users,
    conversions,
    unsubscribes,
    deletions,
    cast(sum(more_active) over so_far as bigint) as active_contacts,
    cast(sum(new_contacts) over so_far as bigint) as total_contacts,
    cast(sum(new_leads) over so_far as bigint) as total_leads,
    cast(sum(new_users) over so_far as bigint) as total_users,
    cast(sum(conversions) over so_far as bigint) as total_conversions
from daily
window so_far as (order by date_day rows between unbounded preceding and current row)
