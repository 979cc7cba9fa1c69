-- What all queries read, as temporary tables: no personal value, and of the names of channels and
-- countries those that may be shown.

create temporary table as_of as

select
    (select min(cast(first_contact_at as date)) from dim_contacts) as first_day,
    coalesce(
        (select max(date_day) from fct_contacts_daily),
        (select max(cast(greatest(leads_read_at, users_read_at) as date)) from published)
    ) as last_day,
    (select quantile_disc(days_to_convert, 0.9) from dim_leads) as usual_days_to_convert;

create temporary table periods as

with

spans as (

    select
        1 as period_number,
        'Last 30 days' as period,
        'day' as grain,
        last_day - 29 as first_day
    from as_of

    union all

    select
        2 as period_number,
        'Last 90 days' as period,
        'day' as grain,
        last_day - 89 as first_day
    from as_of

    union all

    -- whole months: this one and the 11 before
    select
        3 as period_number,
        'Last 12 months' as period,
        'month' as grain,
        cast(date_trunc('month', last_day) - interval 11 month as date) as first_day
    from as_of

    union all

    -- a vote can be dated before the first contact
    select
        4 as period_number,
        'All time' as period,
        'month' as grain,
        least(
            first_day, (select min(cast(dim_users.nps_voted_at as date)) from dim_users)
        ) as first_day
    from as_of

),

dated as (

    select
        spans.period_number,
        spans.period,
        spans.grain,
        spans.first_day,
        cast(date_trunc('month', spans.first_day) as date) as first_month,
        as_of.last_day,
        spans.first_day - cast(as_of.last_day - spans.first_day + 1 as integer)
            as previous_first_day,
        as_of.first_day as first_day_known
    from spans
    cross join as_of

)

select
    period_number,
    period,
    grain,
    first_day,
    first_month,
    last_day,
    -- only a period before of which everything is known is one to compare with
    case when previous_first_day >= first_day_known then previous_first_day end
        as previous_first_day
from dated;

-- A text that may be a person's, rare or with an @ or a telephone number, names no channel and no
-- country. It is cut only after that.
create temporary macro may_be_personal(name, contact_count) as
contact_count < 5 or regexp_matches(name, '[@＠]|%40|[0-9]{7}');

create temporary table contacts as

with

country_names as (

    select
        country_code,
        coalesce(max(country), country_code) as country
    from dim_contacts
    where country_code is not null
    group by country_code

),

labelled as (

    select
        contacts.*,
        case
            when coalesce(contacts.utm_source, contacts.utm_medium) is not null
                then
                    coalesce(contacts.utm_source, '(none)')
                    || ' / '
                    || coalesce(contacts.utm_medium, '(none)')
        end as channel_label,
        coalesce(country_names.country, contacts.country) as country_label
    from dim_contacts as contacts
    left join country_names
        on contacts.country_code = country_names.country_code

),

named_channels as (

    select channel_label
    from labelled
    where channel_label is not null
    group by channel_label
    having not may_be_personal(channel_label, count(*))
    order by count(*) desc, channel_label
    limit 8

),

named_countries as (

    select country_label
    from labelled
    where country_label is not null
    group by country_label
    having not may_be_personal(country_label, count(*))
    order by count(*) desc, country_label
    limit 10

)

select
    coalesce(
        left(named_channels.channel_label, 60),
        case when labelled.channel_label is null then 'no campaign' else 'other channels' end
    ) as channel,
    coalesce(
        left(named_countries.country_label, 60),
        case when labelled.country_label is null then 'unknown' else 'other countries' end
    ) as country,
    dim_users.nps_category,
    labelled.contact_stage <> 'direct_user' as is_lead,
    labelled.is_user,
    labelled.is_converted,
    labelled.is_active,
    labelled.email is not null as has_email,
    labelled.is_unsubscribed,
    labelled.is_bounced,
    labelled.is_marked_as_spam,
    labelled.is_reachable,
    cast(labelled.first_contact_at as date) as first_day,
    cast(date_trunc('month', labelled.first_contact_at) as date) as first_month,
    cast(labelled.signed_up_at as date) as signup_day,
    cast(date_trunc('month', labelled.signed_up_at) as date) as signup_month,
    cast(
        date_trunc('month', greatest(labelled.last_active_at, labelled.signed_up_at)) as date
    ) as last_active_month,
    labelled.active_until_date,
    cast(date_trunc('month', dim_users.nps_voted_at) as date) as vote_month
from labelled
left join named_channels
    on labelled.channel_label = named_channels.channel_label
left join named_countries
    on labelled.country_label = named_countries.country_label
left join dim_users
    on labelled.contact_id = dim_users.contact_id;
