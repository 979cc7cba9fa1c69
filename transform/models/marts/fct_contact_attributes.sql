with

contacts as (

    select * from {{ ref('int_contacts_resolved') }}

),

with_attributes as (

    select
        contact_id,
        attributes
    from contacts
    where {{ is_json_object('attributes') }}

)

select
    with_attributes.contact_id,
    entries.key as attribute_key,
    {{ blank_to_null(json_entry_text('entries')) }} as attribute_value,
    {{ json_entry_type('entries') }} as value_type
from with_attributes
cross join {{ json_entries('with_attributes.attributes') }} as entries
