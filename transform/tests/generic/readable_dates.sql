{#-
    A returned row has a date that no calendar knows or no spelling fits; it became null in staging.
    Those `in_attributes` may also be inside `attributes`. 0 seconds say "never". Of the row no more is
    stored than it takes to find it. One test a table, as each costs a build more than the rows do;
    `column_name` tells the field.
-#}
{% test readable_dates(model, dates, dates_in_attributes) %}

    {{ config(severity='warn') }}

    {%- for name in dates + dates_in_attributes %}
        {%- set text = blank_to_null(name) if name in dates else api_field(name) %}
        select
            crmhero_user_id,
            email,
            '{{ name }}' as column_name,
            {{ text }} as unreadable_value
        from {{ model }}
        where {{ text }} <> '0' and {{ to_utc_timestamp(text) }} is null
        {{ 'union all' if not loop.last }}
    {%- endfor %}

{% endtest %}
