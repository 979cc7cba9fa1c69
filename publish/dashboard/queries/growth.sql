-- New leads and new users, by day in the short periods and by month in the long ones.

with

steps as (

    select
        periods.period,
        periods.grain,
        periods.last_day,
        cast(steps.started_at as date) as started_on
    from periods
    cross join lateral generate_series(
        case periods.grain when 'month' then periods.first_month else periods.first_day end,
        periods.last_day,
        case periods.grain when 'month' then interval 1 month else interval 1 day end
    ) as steps (started_at)

),

channels as (

    select distinct channel from contacts

),

arrivals as (

    select
        channel,
        first_day as date_day,
        count(*) as new_leads,
        0 as new_users
    from contacts
    where is_lead
    group by channel, first_day

    union all

    select
        channel,
        signup_day as date_day,
        0 as new_leads,
        count(*) as new_users
    from contacts
    where is_user
    group by channel, signup_day

)

select
    steps.period,
    channels.channel,
    steps.started_on,
    case steps.grain
        when 'month' then strftime(steps.started_on, '%b %Y')
        else strftime(steps.started_on, '%-d %b %Y')
    end as step,
    steps.started_on < date_trunc(steps.grain, steps.last_day) as is_final,
    coalesce(sum(arrivals.new_leads), 0) as new_leads,
    coalesce(sum(arrivals.new_users), 0) as new_users
from steps
cross join channels
left join arrivals
    on
        channels.channel = arrivals.channel
        and steps.started_on = date_trunc(steps.grain, arrivals.date_day)
group by all
order by all
