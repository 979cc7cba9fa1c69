{#-
    A moment as a naive UTC timestamp, from every spelling the API uses: UNIX seconds, a date, or a
    date and time with or without a zone (without one it is UTC). Whatever else comes, and every
    moment that cannot be (the 30th of February, a year before 1970 or after 2199, 0 seconds), is
    null; it never fails. The zone of the machine and of the session do not matter.
-#}
{% macro to_utc_timestamp(text) -%}
    {{ return(adapter.dispatch('to_utc_timestamp')(text)) }}
{%- endmacro %}

{% macro duckdb__to_utc_timestamp(text) -%}
    {#- the patterns keep out what DuckDB would also read: 'infinity', 'epoch', '2024-6-7' -#}
    {%- set moment = "(19[7-9][0-9]|2[01][0-9]{2})-[0-9]{2}-[0-9]{2}"
        ~ "([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?)?" -%}
    {%- set zoned_moment = "(19[7-9][0-9]|2[01][0-9]{2})-[0-9]{2}-[0-9]{2}"
        ~ "[T ][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]+)? ?(Z|[+-][01][0-9](:?[0-9]{2})?)" -%}
    {%- set seconds = "try_cast(" ~ text ~ " as double)" -%}
    {#- 1970-01-02 to 2199-12-31 -#}
    case
        when {{ seconds }} between 86400 and 7258118399
            then make_timestamp(cast(round({{ seconds }} * 1000000) as bigint))
        when regexp_full_match(trim({{ text }}), '{{ moment }}')
            then try_cast(trim({{ text }}) as timestamp)
        {#- a cast to timestamp would drop the zone without a word -#}
        when regexp_full_match(trim({{ text }}), '{{ zoned_moment }}')
            then timezone('UTC', try_cast(replace(replace(trim({{ text }}), ' +', '+'), ' -', '-') as timestamptz))
    end
{%- endmacro %}
