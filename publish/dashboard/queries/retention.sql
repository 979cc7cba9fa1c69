-- Users by month of signing up, and how many were active so many months later or after that. Only
-- months that are over, up to a year: in the month itself, all are.

with

lifetimes as (

    select
        channel,
        signup_month,
        last_active_month,
        count(*) as user_count
    from contacts
    where is_user
    group by channel, signup_month, last_active_month

),

months as (

    select
        lifetimes.*,
        numbers.number as months_since,
        lifetimes.signup_month + to_months(cast(numbers.number as integer)) as active_month
    from lifetimes
    cross join range(1, 13) as numbers (number)

)

select
    periods.period,
    months.channel,
    months.signup_month,
    strftime(months.signup_month, '%b %Y') as month_name,
    months.months_since,
    sum(months.user_count) as cohort_users,
    coalesce(sum(months.user_count) filter (months.months_since = 1), 0) as users_after_a_month,
    coalesce(
        sum(months.user_count) filter (
            months.months_since = 1 and months.last_active_month >= months.active_month
        ),
        0
    ) as active_after_a_month,
    coalesce(sum(months.user_count) filter (months.last_active_month >= months.active_month), 0)
        as active_users
from months
inner join periods
    on
        months.signup_month >= periods.first_month
        and months.active_month < date_trunc('month', periods.last_day)
group by all
order by all
