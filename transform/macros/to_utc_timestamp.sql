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

{#-
    A cast fails on a day or a time that is none, so the patterns tell those, too. It rounds what is
    finer than microseconds, and DuckDB cuts it off. With a zone, any but those beyond 15:59, which are
    none. Seconds are rounded to the nearest microsecond, a half up, by whole numbers: `round` takes
    the even one. `offset 0` has the text computed only once.
-#}
{% macro postgres__to_utc_timestamp(text) -%}
    {%- set year = '(19[89][0-9]|2[01][0-9]{2})' -%}
    {%- set leap_year = '(19(8[048]|9[26])|2000|2[01](0[48]|[2468][048]|[13579][26]))' -%}
    {%- set up_to_28 = '(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])' -%}
    {%- set beyond = '(0[13-9]|1[0-2])-(29|30)|(0[13578]|1[02])-31' -%}
    {%- set day = '(' ~ up_to_28 ~ '|' ~ beyond ~ ')' -%}
    {%- set date = '(' ~ year ~ '-' ~ day ~ '|' ~ leap_year ~ '-02-29)' -%}
    {%- set hour_and_minute = '([01][0-9]|2[0-3]):[0-5][0-9]' -%}
    {%- set time = '[T ](' ~ hour_and_minute ~ '(:[0-5][0-9]([.][0-9]+)?)?|24:00(:00([.]0+)?)?)' -%}
    {%- set zone = ' ?(Z|[+-](0[0-9]|1[0-5])(:?[0-5][0-9])?)' -%}
    {%- set in_microseconds = "regexp_replace(moment, '([.][0-9]{6})[0-9]+', '\\1')" -%}
    (
        select case
            when {{ to_number('moment') }} between 315532800 and 7258118399
                then timestamp '1970-01-01' + interval '1 microsecond'
                    * ((cast(floor({{ to_number('moment') }} * 2000000) as bigint) + 1) / 2)
            when moment ~ '^{{ date }}({{ time }})?$'
                then cast({{ in_microseconds }} as timestamp)
            when moment ~ '^{{ date }}{{ time }}{{ zone }}$'
                then cast({{ in_microseconds }} as timestamptz) at time zone 'UTC'
        end
        from (select upper({{ trimmed(text) }}) as moment offset 0) as given
    )
{%- endmacro %}

{#-
    A text with a zone is read without it, and then moved by the zone's hours and minutes: a cast to a
    timestamp with a zone would go by that of the session. 24:00 is the next day's midnight, which
    Spark does not know. `transform` computes a value only once.
-#}
{% macro spark__to_utc_timestamp(text) -%}
    {%- set date = '(19[89][0-9]|2[01][0-9]{2})-[0-9]{2}-[0-9]{2}' -%}
    {%- set time = '[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?' -%}
    {%- set zone = ' ?(Z|[+-][01][0-9](:?[0-9]{2})?)' -%}
    {%- set midnight = '[T ]24:00(:00([.]0+)?)?$' -%}
    {%- set zone_parts = ':.*([+-])([0-9]{2}):?([0-9]{2})?$' -%}
    transform(array(upper({{ trimmed(text) }})), moment -> case
        when moment rlike r'^{{ date }}({{ time }})?\z' and substr(moment, 12, 2) <> '24'
            then try_cast(moment as timestamp_ntz)
        when moment not rlike '^[0-9]{4}-'
            then transform(array({{ to_number('moment') }}), seconds -> case
                when seconds between 315532800 and 7258118399
                    then timestampadd(
                        microsecond,
                        cast(round(seconds * 1000000) as bigint),
                        timestamp_ntz '1970-01-01 00:00:00'
                    )
            end)[0]
        when moment rlike r'^{{ date }}{{ time }}({{ zone }})?\z'
            then try_cast(
                regexp_replace(
                    regexp_extract(moment, '^[0-9-]{10}([T ][0-9:.]+)?', 0), '{{ midnight }}', ''
                ) as timestamp_ntz
            ) + make_dt_interval(
                cast(substr(moment, 12, 2) = '24' as int)
            ) - make_dt_interval(
                0,
                coalesce(try_cast(
                    regexp_extract(moment, '{{ zone_parts }}', 1)
                    || regexp_extract(moment, '{{ zone_parts }}', 2) as int
                ), 0),
                coalesce(try_cast(
                    regexp_extract(moment, '{{ zone_parts }}', 1)
                    || regexp_extract(moment, '{{ zone_parts }}', 3) as int
                ), 0)
            )
    end)[0]
{%- endmacro %}
