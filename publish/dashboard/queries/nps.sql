-- Votes by month. The score is the mean of 100 for a promoter, 0 for a passive and -100 for a
-- detractor.

select
    periods.period,
    contacts.channel,
    contacts.vote_month as month_start,
    strftime(contacts.vote_month, '%b %Y') as month_name,
    contacts.vote_month < date_trunc('month', periods.last_day) as is_final,
    count(*) as votes,
    count(*) filter (contacts.nps_category = 'promoter') as promoters,
    count(*) filter (contacts.nps_category = 'passive') as passives,
    count(*) filter (contacts.nps_category = 'detractor') as detractors,
    100 * (promoters - detractors) as points
from contacts
inner join periods
    on contacts.vote_month >= periods.first_month
where contacts.nps_category is not null
group by all
order by all
