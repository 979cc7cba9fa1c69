with

days as (

    select * from {{ ref('int_days_spanned') }}

),

users as (

    select * from {{ ref('dim_users') }}

),

months as (

    select distinct {{ month_of('date_day') }} as active_month from days

),

as_of as (

    select max(date_day) as as_of_date from days

),

-- whoever is active in a later month is so in all before; signing up is an activity
lifetimes as (

    select
        {{ month_of('signed_up_at') }} as signup_month,
        {{ month_of('greatest(last_active_at, signed_up_at)') }} as last_active_month,
        count(*) as user_count
    from users
    group by
        {{ month_of('signed_up_at') }},
        {{ month_of('greatest(last_active_at, signed_up_at)') }}

),

cohorts as (

    select
        signup_month,
        cast(sum(user_count) as bigint) as cohort_users
    from lifetimes
    group by signup_month

),

retained as (

    select
        cohorts.signup_month,
        months.active_month,
        cohorts.cohort_users,
        cast(coalesce(sum(lifetimes.user_count), 0) as bigint) as active_users
    from cohorts
    inner join months
        on cohorts.signup_month <= months.active_month
    left join lifetimes
        on
            cohorts.signup_month = lifetimes.signup_month
            and months.active_month <= lifetimes.last_active_month
    group by
        cohorts.signup_month,
        months.active_month,
        cohorts.cohort_users

)

select
    retained.signup_month,
    cast({{ dbt.datediff('retained.signup_month', 'retained.active_month', 'month') }} as bigint)
        as months_since_signup,
    retained.active_month,
    retained.cohort_users,
    retained.active_users,
    {{ rate('retained.active_users', 'retained.cohort_users') }} as retention_rate,
    {{ month_of('as_of.as_of_date') }} > retained.active_month as is_month_over
from retained
cross join as_of
