-- Leads by month of first contact, and how many of them have converted by now.

select
    periods.period,
    contacts.channel,
    contacts.first_month as month_start,
    strftime(contacts.first_month, '%b %Y') as month_name,
    -- whoever came on its last day has had the time that most conversions take
    contacts.first_month
    + interval 1 month
    + to_days(cast(coalesce(as_of.usual_days_to_convert, 0) as integer))
    <= as_of.last_day as is_final,
    count(*) as leads,
    count(*) filter (contacts.is_converted) as conversions
from contacts
inner join periods
    on contacts.first_month >= periods.first_month
cross join as_of
where contacts.is_lead
group by all
order by all
