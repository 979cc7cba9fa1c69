-- Contacts of a period by country, and how many of them are active.

select
    periods.period,
    contacts.channel,
    contacts.country,
    count(*) as contacts,
    count(*) filter (contacts.is_active) as active
from contacts
inner join periods
    on contacts.first_day >= periods.first_day
group by all
order by all
