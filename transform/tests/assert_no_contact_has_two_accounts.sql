{{ config(severity='warn') }}

-- A returned contact has several users: dim_users, whose key is the contact, shows the newest only.
select
    contact_id,
    count(distinct user_id) as user_count
from {{ ref('stg_analytics_api__users') }}
where contact_id is not null
group by contact_id
having count(distinct user_id) > 1
