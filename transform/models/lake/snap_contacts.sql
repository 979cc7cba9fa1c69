{#-
    Stands in for the snapshot where nothing is ever deleted from raw: each copy of a row is a version.
    It dates what was first and what changed, which is all that marts other than the history need. It
    does not tell which version a contact had at a time, nor that it was deleted.
-#}
with

leads as (

    select
        *,
        cast(crmhero_user_id as {{ dbt.type_string() }}) as contact_id,
        cast(null as {{ dbt.type_string() }}) as user_id,
        cast(null as {{ dbt.type_string() }}) as nps_vote,
        'lead' as contact_stage
    from {{ accepted_copies('leads') }}

),

users as (

    select
        *,
        case
            when crmhero_user_id > 0 then cast(crmhero_user_id as {{ dbt.type_string() }})
            else {{ contact_id_of_account(account_id()) }}
        end as contact_id,
        'direct_user' as contact_stage
    from {{ accepted_copies('users') }}

),

{% set columns = [
    '_dlt_id', '_dlt_load_id', 'contact_id', 'user_id', 'contact_stage', 'email', 'nps_vote', 'role',
    'sub_status', 'country', 'country_code', 'unsubscribe', 'bounce', 'spam', 'sub_active',
    'attributes', 'first_seen_at', 'create_date', 'last_update'
] | join(', ') %}

copies as (

    select {{ columns }} from leads

    union all

    select {{ columns }} from users

),

loads as (

    select
        _dlt_load_id,
        {{ to_utc_timestamp('_dlt_load_id') }} as loaded_at
    from copies
    group by _dlt_load_id

),

-- a copy was noticed when the run that loaded it had finished, or, if that failed, the next one
runs as (

    select
        loads._dlt_load_id,
        coalesce(min(finished.finished_at), loads.loaded_at) as noticed_at
    from loads
    left join {{ ref('stg_analytics_api__elt_runs') }} as finished
        on loads.loaded_at <= finished.finished_at
    group by loads._dlt_load_id, loads.loaded_at

),

renamed as (

    select
        _dlt_id as dbt_scd_id,
        _dlt_load_id,
        contact_id,
        user_id,
        contact_stage,
        {{ blank_to_null('email') }} as email,
        {{ api_field('role') }} as role,
        {{ api_field('sub_status') }} as subscription_status,
        {{ blank_to_null('country') }} as country,
        upper({{ blank_to_null('country_code') }}) as country_code,
        {{ to_number_between('nps_vote', 0, 10) }} as nps_vote,
        {{ to_objection('unsubscribe') }} as is_unsubscribed,
        {{ to_objection('bounce') }} as is_bounced,
        {{ to_objection('spam') }} as is_marked_as_spam,
        {{ to_boolean(api_field('sub_active')) }} as is_subscription_active,
        {{ to_utc_timestamp('first_seen_at') }} as first_seen_at,
        {{ to_utc_timestamp(api_field('create_date')) }} as created_at,
        {{ to_utc_timestamp('last_update') }} as last_updated_at
    from copies

)

select
    renamed.*,
    runs.noticed_at as dbt_valid_from,
    cast(null as {{ dbt.type_timestamp() }}) as dbt_valid_to,
    'False' as dbt_is_deleted
from renamed
inner join runs
    on renamed._dlt_load_id = runs._dlt_load_id
