{#-
    A returned row has a flag that says neither yes nor no, or a number that is none or outside the
    range that staging takes, both ends included. It became null in staging, but for `unsubscribe`,
    `bounce` and `spam`, which became true: they may be an objection. One test a table, as
    each costs a build more than the rows do; `column_name` tells the field.
-#}
{% test readable_values(model, booleans, booleans_in_attributes, numbers) %}

    {{ config(severity='warn') }}

    {%- set fields = [] %}
    {%- for name in booleans + booleans_in_attributes %}
        {%- set text = blank_to_null(name) if name in booleans else api_field(name) %}
        {%- do fields.append([name, text, to_boolean(text)]) %}
    {%- endfor %}
    {%- for name, range in numbers.items() %}
        {%- set text = blank_to_null(name) %}
        {%- do fields.append([name, text, to_number_between(text, range[0], range[1])]) %}
    {%- endfor %}

    {%- for name, text, value in fields %}
        select
            crmhero_user_id,
            email,
            '{{ name }}' as column_name,
            {{ text }} as unreadable_value
        from {{ model }}
        where {{ text }} is not null and {{ value }} is null
        {{ 'union all' if not loop.last }}
    {%- endfor %}

{% endtest %}
