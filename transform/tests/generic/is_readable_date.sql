{#-
    A returned row has a date that no calendar knows or no spelling fits; it became null in staging.
    With `in_attributes` the field may also be inside `attributes`. 0 seconds say "never". Of the row
    no more is stored than it takes to find it.
-#}
{% test is_readable_date(model, column_name, in_attributes=false) %}

{{ config(severity='warn') }}

{%- set text = api_field(column_name) if in_attributes else blank_to_null(column_name) %}

    select
        crmhero_user_id,
        email,
        {{ text }} as unreadable_date
    from {{ model }}
    where {{ text }} <> '0' and {{ to_utc_timestamp(text) }} is null

{% endtest %}
