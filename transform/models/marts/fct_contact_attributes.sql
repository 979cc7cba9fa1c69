with

contacts as (

    select * from {{ ref('int_contacts_resolved') }}

),

entries as (

    select
        contact_id,
        {{ json_entries('attributes') }} as entry
    from contacts
    where {{ is_json_object('attributes') }}

)

select
    entries.contact_id,
    (entries.entry).key as attribute_key,
    {{ blank_to_null(json_value_text('(entries.entry).value')) }} as attribute_value,
    {{ json_value_type('(entries.entry).value') }} as value_type
from entries
