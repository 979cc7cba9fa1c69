with

contacts as (

    select * from {{ ref('dim_contacts') }}

),

-- a name may be spelled in several ways; it tells countries apart only where there is no code
with_country as (

    select
        *,
        case when country_code is null then country end as country_without_code
    from contacts

)

select
    country_code,
    max(max(country)) over (partition by country_code, country_without_code) as country,
    contact_stage,
    count(*) as contacts,
    count(case when is_active then 1 end) as active_contacts,
    count(case when is_reachable then 1 end) as reachable_contacts
from with_country
group by country_code, country_without_code, contact_stage
