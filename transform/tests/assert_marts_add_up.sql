-- A returned row is a total of a mart that is not the number of rows that it sums up: one of the
-- two lost or invented some.
{#- on Spark there are no snapshots, and so no marts that are made of them #}
{%- set absent = ['fct_contact_changes', 'fct_contacts_daily'] if target.type == 'spark' else [] %}
{%- set last_day %}
    {%- if not absent %}
        date_day = (select max(date_day) from {{ ref('fct_contacts_daily') }})
    {%- endif %}
{%- endset %}
{#- a mart, a total of it, and the rows that it must be the number of: a model and a condition #}
{%- set totals = [
    ['dim_contacts', 'count(*)', 'int_contacts_resolved', 'true'],
    ['dim_leads', 'count(*)', 'dim_contacts', "contact_stage <> 'direct_user'"],
    ['dim_users', 'count(*)', 'dim_contacts', "contact_stage <> 'lead'"],
    ['dim_attributes', 'sum(contacts_with_key)', 'fct_contact_attributes', 'true'],
    ['fct_lead_conversions', 'count(*)', 'dim_contacts', 'is_converted'],

    ['fct_contacts_daily', dbt.datediff('min(date_day)', 'max(date_day)', 'day') ~ ' + 1',
        'fct_contacts_daily', 'true'],
    ['fct_contacts_daily', 'sum(new_contacts)', 'dim_contacts', 'true'],
    ['fct_contacts_daily', 'sum(new_leads)', 'dim_leads', 'true'],
    ['fct_contacts_daily', 'sum(new_users)', 'dim_users', 'true'],
    ['fct_contacts_daily', 'sum(conversions)', 'fct_lead_conversions', 'true'],
    ['fct_contacts_daily', 'sum(unsubscribes)', 'fct_contact_changes', 'has_unsubscribed'],
    ['fct_contacts_daily', 'sum(deletions)', 'fct_contact_changes', "change_type = 'deleted'"],
    ['fct_contacts_daily', 'max(total_contacts)', 'dim_contacts', 'true'],
    ['fct_contacts_daily', 'max(total_leads)', 'dim_leads', 'true'],
    ['fct_contacts_daily', 'max(total_users)', 'dim_users', 'true'],
    ['fct_contacts_daily', 'max(total_conversions)', 'fct_lead_conversions', 'true'],
    ['fct_contacts_daily', 'sum(case when ' ~ (last_day | trim) ~ ' then active_contacts end)',
        'dim_contacts', 'is_active'],

    ['fct_acquisition_monthly', 'sum(contacts)', 'dim_contacts', 'true'],
    ['fct_acquisition_monthly', 'sum(leads)', 'dim_leads', 'true'],
    ['fct_acquisition_monthly', 'sum(direct_users)', 'dim_users', 'not is_converted'],
    ['fct_acquisition_monthly', 'sum(conversions)', 'fct_lead_conversions', 'true'],

    ['fct_retention_monthly', 'sum(case when months_since_signup = 0 then cohort_users end)',
        'dim_users', 'true'],
    ['fct_retention_monthly', 'sum(case when months_since_signup = 0 then active_users end)',
        'dim_users', 'true'],

    ['fct_audience_by_country', 'sum(contacts)', 'dim_contacts', 'true'],
    ['fct_audience_by_country', 'sum(active_contacts)', 'dim_contacts', 'is_active'],
    ['fct_audience_by_country', 'sum(reachable_contacts)', 'dim_contacts', 'is_reachable'],

    ['fct_email_health_monthly', 'sum(contacts)', 'dim_contacts', 'true'],
    ['fct_email_health_monthly', 'sum(contacts_with_email)', 'dim_contacts', 'email is not null'],
    ['fct_email_health_monthly', 'sum(reachable)', 'dim_contacts', 'is_reachable'],

    ['fct_nps_monthly', 'sum(votes)', 'dim_users', 'nps_vote is not null'],
    ['fct_nps_monthly', 'sum(promoters + passives + detractors)', 'dim_users',
        'nps_category is not null'],

    ['fct_contact_changes', 'sum(case when is_current then 1 end)', 'dim_contacts', 'true']
] %}

with

mart_totals as (

    {% for mart, total, model, condition in totals if mart not in absent %}
        select
            {{ loop.index }} as pair_number,
            '{{ mart }}' as mart_name,
            '{{ total | replace("'", "''") }}' as measure,
            coalesce({{ total }}, 0) as mart_total
        from {{ ref(mart) }}
        {{ 'union all' if not loop.last }}
    {% endfor %}

),

summed_up as (

    {% for mart, total, model, condition in totals if mart not in absent %}
        select
            {{ loop.index }} as pair_number,
            count(*) as row_count
        from {{ ref(model) }}
        where {{ condition }}
        {{ 'union all' if not loop.last }}
    {% endfor %}

)

select
    mart_totals.mart_name,
    mart_totals.measure,
    mart_totals.mart_total,
    summed_up.row_count
from mart_totals
inner join summed_up
    on
        mart_totals.pair_number = summed_up.pair_number
        and mart_totals.mart_total <> summed_up.row_count
