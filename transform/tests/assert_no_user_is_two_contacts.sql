{{ config(severity='warn') }}

-- A returned user id is that of several contacts. Either a tracker gave it to different people, or
-- the id as a contact changed: then the next full sync deletes the older.
select
    user_id,
    count(distinct contact_id) as contact_count
from {{ ref('stg_analytics_api__users') }}
group by user_id
having count(distinct contact_id) > 1
