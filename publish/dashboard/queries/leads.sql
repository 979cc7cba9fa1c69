-- Leads of a period, and how many of them have converted by now.

select
    periods.period,
    contacts.channel,
    count(*) as leads,
    count(*) filter (contacts.is_converted) as conversions
from contacts
inner join periods
    on contacts.first_day >= periods.first_day
where contacts.is_lead
group by all
order by all
