{#- A returned row has a value outside a range, both ends included; null is in any. -#}
{% test within_range(model, columns, lowest, highest) %}

    {%- for column in columns %}
        select
            '{{ column }}' as column_name,
            {{ column }} as out_of_range
        from {{ model }}
        where {{ column }} not between {{ lowest }} and {{ highest }}
        {{ 'union all' if not loop.last }}
    {%- endfor %}

{% endtest %}
