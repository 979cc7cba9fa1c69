-- What became of the e-mail addresses, by month of first contact.

select
    periods.period,
    contacts.channel,
    contacts.first_month as month_start,
    strftime(contacts.first_month, '%b %Y') as month_name,
    contacts.first_month < date_trunc('month', periods.last_day) as is_final,
    count(*) as with_email,
    count(*) filter (contacts.is_unsubscribed) as unsubscribed,
    count(*) filter (contacts.is_bounced) as bounced,
    count(*) filter (contacts.is_marked_as_spam) as marked_as_spam,
    count(*) filter (contacts.is_reachable) as reachable
from contacts
inner join periods
    on contacts.first_month >= periods.first_month
where contacts.has_email
group by all
order by all
