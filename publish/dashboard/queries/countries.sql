-- All contacts by country, and how many of them are active: of those who came in the last 30 days,
-- all would be.

select
    periods.period,
    contacts.channel,
    contacts.country,
    count(*) as contacts,
    count(*) filter (contacts.is_active) as active
from contacts
cross join periods
group by all
order by all
