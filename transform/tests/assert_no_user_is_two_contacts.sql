{{ config(severity='warn') }}

-- A returned user was listed by one load, mostly a full read, under several ids as a contact:
-- dim_contacts takes them for one person, under the newest of the ids.
select
    user_id,
    count(distinct contact_id) as contact_count
from {{ ref('stg_analytics_api__users') }}
group by user_id, load_id
having count(distinct contact_id) > 1
