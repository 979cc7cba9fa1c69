-- The periods to choose from, and what each is compared with.

select
    period,
    strftime(first_day, '%-d %b %Y') as first_day,
    strftime(last_day, '%-d %b %Y') as last_day,
    strftime(cast(first_day - 1 as date), '%-d %b %Y') as day_before,
    last_day - first_day + 1 as day_count,
    previous_first_day is not null as has_previous,
    period = 'Last 12 months' as is_default
from periods
order by period_number
