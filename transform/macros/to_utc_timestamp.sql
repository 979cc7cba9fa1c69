{#-
    A moment as a naive UTC timestamp, from every spelling the API uses: UNIX seconds, a date, or a
    date and time with or without a zone (without one it is UTC). Whatever else comes, and every
    moment that cannot be (the 30th of February, a year before 1980 or after 2199, 0 seconds), is
    null; it never fails. The zones of the machine and of the session do not matter.
-#}
{% macro to_utc_timestamp(text) -%}
    {{ return(adapter.dispatch('to_utc_timestamp')(text)) }}
{%- endmacro %}

{#-
    The patterns keep out what DuckDB would also read: 'infinity', 'epoch', '2024-6-7'. A text with a
    zone goes by way of timestamptz, as a cast to timestamp drops the zone without a word, and with
    seconds, as that cast wants them. The numbers are the seconds from 1980-01-01 to 2199-12-31: a
    smaller one is a date without dashes, or none. `list_transform` computes the text only once.
-#}
{% macro duckdb__to_utc_timestamp(text) -%}
    {%- set date = '(19[89][0-9]|2[01][0-9]{2})-[0-9]{2}-[0-9]{2}' -%}
    {%- set time = '[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?' -%}
    {%- set zone = ' ?(Z|[+-][01][0-9](:?[0-9]{2})?)' -%}
    list_transform([upper({{ trimmed(text) }})], lambda moment: case
        when try_cast(moment as double) between 315532800 and 7258118399
            then make_timestamp(cast(round(try_cast(moment as double) * 1000000) as bigint))
        when regexp_full_match(moment, '{{ date }}({{ time }})?')
            then try_cast(moment as timestamp)
        when regexp_full_match(moment, '{{ date }}{{ time }}{{ zone }}')
            then timezone('UTC', try_cast(
                regexp_replace(
                    regexp_replace(moment, '^(.{16}) ?([Z+-])', '\1:00\2'), ' ([Z+-])', '\1'
                ) as timestamptz
            ))
    end)[1]
{%- endmacro %}
