with

contacts as (

    select * from {{ ref('int_contacts_dated') }}

),

versions as (

    select * from {{ ref('int_contact_versions') }}

),

runs as (

    select * from {{ ref('stg_analytics_api__elt_runs') }}

),

-- history may begin before the first contact that still exists
first_days as (

    select cast(min(first_contact_at) as date) as first_date from contacts

    union all

    select cast(min(noticed_at) as date) as first_date from versions

),

span as (

    select
        min(first_days.first_date) as first_date,
        {{ dbt.datediff('min(first_days.first_date)', 'max(runs.finished_at)', 'day') }} + 1
            as day_count
    from first_days
    cross join runs

),

-- more days than there are between the first year that staging takes for a date and now
numbers as (

    {{ dbt.generate_series(65536) }}

),

day_numbers as (

    select
        span.first_date,
        cast(numbers.generated_number - 1 as integer) as day_number
    from span
    inner join numbers
        on span.day_count >= numbers.generated_number

)

select cast({{ dbt.dateadd('day', 'day_number', 'first_date') }} as date) as date_day
from day_numbers
