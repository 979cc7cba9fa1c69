with

attributes as (

    select * from {{ ref('fct_contact_attributes') }}

),

contacts as (

    select * from {{ ref('dim_contacts') }}

),

all_contacts as (

    select count(*) as contact_count from contacts

),

keys as (

    select
        attribute_key,
        count(*) as contacts_with_key,
        count(attribute_value) as contacts_with_value,
        count(distinct attribute_value) as distinct_values
    from attributes
    group by attribute_key

),

types as (

    select
        attribute_key,
        {{ dbt.listagg('distinct value_type', "', '", 'order by value_type') }} as types_seen
    from attributes
    group by attribute_key

)

select
    keys.attribute_key,
    types.types_seen,
    keys.contacts_with_key,
    keys.contacts_with_value,
    keys.distinct_values,
    {{ rate('keys.contacts_with_value', 'all_contacts.contact_count') }} as fill_rate,
    -- the fields that the API may send inside attributes, and of which staging makes columns
    keys.attribute_key in (
        'role',
        'username',
        'create_date',
        'sub_status',
        'sub_active',
        'ab_test',
        'ab_test_var',
        'initiated_checkout_at'
    ) as is_documented
from keys
inner join types
    on keys.attribute_key = types.attribute_key
cross join all_contacts
