{#-
    A moment as a naive UTC timestamp, from every spelling the API uses: UNIX seconds, a date, or a
    date and time with or without a zone (without one it is UTC). Whatever else comes, and every
    moment that cannot be (the 30th of February, a year before 1970 or after 2199, 0 seconds), is
    null; it never fails. The zones of the machine and of the session do not matter.
-#}
{% macro to_utc_timestamp(text) -%}
    {{ return(adapter.dispatch('to_utc_timestamp')(text)) }}
{%- endmacro %}

{#-
    The patterns keep out what DuckDB would also read: 'infinity', 'epoch', '2024-6-7'. A text with a
    zone goes by way of timestamptz, as a cast to timestamp drops the zone without a word. The numbers
    are the seconds from 1970-01-02 to 2199-12-31.
-#}
{% macro duckdb__to_utc_timestamp(text) -%}
    {%- set date = '(19[7-9][0-9]|2[01][0-9]{2})-[0-9]{2}-[0-9]{2}' -%}
    {%- set moment = date ~ '([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?)?' -%}
    {%- set zone = ' ?(Z|[+-][01][0-9](:?[0-9]{2})?)' -%}
    {%- set zoned_moment = date ~ '[T ][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]+)?' ~ zone -%}
    {%- set seconds = to_number(text) -%}
    {%- set trimmed = 'trim(' ~ text ~ ')' -%}
    {%- set without_blank_before_zone = "regexp_replace(" ~ trimmed ~ ", ' ([Z+-])', '\\1')" -%}
    case
        when {{ seconds }} between 86400 and 7258118399
            then make_timestamp(cast(round({{ seconds }} * 1000000) as bigint))
        when regexp_full_match({{ trimmed }}, '{{ moment }}')
            then try_cast({{ trimmed }} as timestamp)
        when regexp_full_match({{ trimmed }}, '{{ zoned_moment }}')
            then timezone('UTC', try_cast({{ without_blank_before_zone }} as timestamptz))
    end
{%- endmacro %}
