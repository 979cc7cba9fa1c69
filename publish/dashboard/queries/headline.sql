-- What there is on the last day, what came in a period, and what there was the day before it.

select
    periods.period,
    contacts.channel,
    count(*) as total_contacts,
    count(*) filter (contacts.first_day >= periods.first_day) as new_contacts,
    count(*) filter (
        contacts.first_day >= periods.previous_first_day and contacts.first_day < periods.first_day
    ) as previous_new_contacts,
    count(*) filter (contacts.is_user) as total_users,
    count(*) filter (contacts.signup_day >= periods.first_day) as new_users,
    count(*) filter (
        contacts.signup_day >= periods.previous_first_day
        and contacts.signup_day < periods.first_day
    ) as previous_new_users,
    count(*) filter (contacts.is_lead) as leads,
    count(*) filter (contacts.is_converted) as conversions,
    count(*) filter (contacts.is_lead and contacts.first_day < periods.first_day)
        as previous_leads,
    count(*) filter (contacts.is_converted and contacts.signup_day < periods.first_day)
        as previous_conversions,
    count(*) filter (contacts.is_active) as active,
    count(*) filter (
        contacts.first_day < periods.first_day
        and contacts.active_until_date >= periods.first_day - 1
    ) as previous_active
from contacts
cross join periods
group by periods.period, contacts.channel
order by periods.period, contacts.channel
