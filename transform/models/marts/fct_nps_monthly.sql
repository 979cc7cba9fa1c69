with

users as (

    select * from {{ ref('dim_users') }}

),

months as (

    select
        {{ month_of('nps_voted_at') }} as vote_month,
        count(*) as votes,
        count(case when nps_category = 'promoter' then 1 end) as promoters,
        count(case when nps_category = 'passive' then 1 end) as passives,
        count(case when nps_category = 'detractor' then 1 end) as detractors
    from users
    where nps_vote is not null
    group by {{ month_of('nps_voted_at') }}

)

select
    vote_month,
    votes,
    promoters,
    passives,
    detractors,
    100 * {{ rate('promoters - detractors', 'votes') }} as nps_score
from months
