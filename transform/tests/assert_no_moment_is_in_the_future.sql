{{ config(severity='warn') }}

-- A returned contact has a moment more than a day after the last load: some clock is wrong. Marts
-- leave out such an activity, and take the load that first saw the contact for the other moments.
{%- set moments = [
    'first_seen_at', 'created_at', 'last_active_at', 'last_page_viewed_at', 'last_updated_at'
] %}

with

contacts as (

    select * from {{ ref('int_contacts_resolved') }}

),

as_of as (

    select max(finished_at) as as_of_at from {{ ref('stg_analytics_api__elt_runs') }}

),

moments as (

    {% for moment in moments %}
        select
            contact_id,
            '{{ moment }}' as column_name,
            {{ moment }} as future_moment
        from contacts
        {{ 'union all' if not loop.last }}
    {% endfor %}

)

select
    moments.contact_id,
    moments.column_name,
    moments.future_moment
from moments
inner join as_of
    on moments.future_moment > {{ dbt.dateadd('day', 1, 'as_of.as_of_at') }}
