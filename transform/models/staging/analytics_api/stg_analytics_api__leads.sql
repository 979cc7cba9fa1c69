with

source as (

    select * from {{ raw_rows('leads') }}

),

renamed as (

    select
        -- ids
        cast(crmhero_user_id as {{ dbt.type_string() }}) as contact_id,

        -- strings
        {{ blank_to_null('email') }} as email,
        {{ blank_to_null('name') }} as full_name,
        {{ blank_to_null('os') }} as operating_system,
        {{ blank_to_null('os_version') }} as operating_system_version,
        {{ blank_to_null('browser_name') }} as browser_name,
        {{ blank_to_null('browser_language') }} as browser_language,
        {{ blank_to_null('city') }} as city,
        {{ blank_to_null('region') }} as region,
        upper({{ blank_to_null('region_code') }}) as region_code,
        {{ blank_to_null('country') }} as country,
        upper({{ blank_to_null('country_code') }}) as country_code,
        {{ blank_to_null('continent') }} as continent,
        upper({{ blank_to_null('continent_code') }}) as continent_code,
        {{ blank_to_null('timezone') }} as timezone,
        {{ blank_to_null('postal_code') }} as postal_code,
        {{ blank_to_null('utm_source') }} as utm_source,
        {{ blank_to_null('utm_medium') }} as utm_medium,
        {{ blank_to_null('utm_campaign') }} as utm_campaign,
        {{ blank_to_null('utm_content') }} as utm_content,
        {{ blank_to_null('utm_term') }} as utm_term,
        {{ blank_to_null('referrer') }} as referrer,
        {{ blank_to_null('last_page_viewed') }} as last_page_viewed_url,
        {{ api_field('role') }} as role,
        {{ api_field('username') }} as username,
        {{ api_field('sub_status') }} as subscription_status,
        {{ api_field('ab_test') }} as ab_test,
        {{ api_field('ab_test_var') }} as ab_test_variant,
        attributes,

        -- numerics
        {{ to_number_between('latitude', -90, 90) }} as latitude,
        {{ to_number_between('longitude', -180, 180) }} as longitude,

        -- booleans
        {{ to_boolean('is_user') }} as is_user,
        {{ to_boolean('was_lead') }} as has_been_lead,
        {{ to_objection('unsubscribe') }} as is_unsubscribed,
        {{ to_objection('bounce') }} as is_bounced,
        {{ to_objection('spam') }} as is_marked_as_spam,
        {{ to_boolean(api_field('sub_active')) }} as is_subscription_active,

        -- timestamps (UTC)
        {{ to_utc_timestamp('first_seen_at') }} as first_seen_at,
        {{ to_utc_timestamp('last_activity') }} as last_active_at,
        {{ to_utc_timestamp('last_update') }} as last_updated_at,
        {{ to_utc_timestamp('last_page_viewed_at') }} as last_page_viewed_at,
        {{ to_utc_timestamp(api_field('create_date')) }} as created_at,
        {{ to_utc_timestamp(api_field('initiated_checkout_at')) }} as initiated_checkout_at,

        -- load metadata
        _dlt_load_id as load_id,
        {{ to_utc_timestamp('_dlt_load_id') }} as loaded_at,
        {{ to_utc_timestamp('cast(_cursor as ' ~ dbt.type_string() ~ ')') }} as changed_at
    from source

)

select * from renamed
