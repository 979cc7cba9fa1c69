{#-
    A timestamp in naive UTC, from every spelling the API uses: UNIX seconds, milliseconds or
    microseconds; a date, or a date and time with or without a zone (without one it is UTC); the JSON of
    a PHP `DateTime` object; the date of an e-mail's header (RFC 2822). Everything else is null, as is
    what cannot be (the 30th of February, a year before 1980 or after 2199, 0 seconds) and what names a
    zone other than UTC, which not every database can look up. It never fails. The time zones of the
    machine and of the session do not matter. `parse_moment` in extract/values.py reads the same.
-#}
{% macro to_utc_timestamp(text) -%}
    {{ return(adapter.dispatch('to_utc_timestamp')(text, {
        'date': '(19[89][0-9]|2[01][0-9]{2})-[0-9]{2}-[0-9]{2}',
        'time': '[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?',
        'zone': ' ?(Z|UTC?|GMT|[+-][01][0-9](:?[0-9]{2})?)',
        'php_date': '"DATE": ?"([^"]*)"',
        'php_zone': '"TIMEZONE": ?"([^"]*)"',
        'rfc_2822': '((MON|TUE|WED|THU|FRI|SAT|SUN), *)?([0-9]{1,2}) +(' ~ months() | join('|')
            ~ ') +([0-9]{4}) +([0-9:]+)( +([A-Z]+|[+-][0-9]{4})( +[(][A-Z]+[)])?)?'
    })) }}
{%- endmacro %}

{% macro months() -%}
    {{ return(
        ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC']
    ) }}
{%- endmacro %}

{#- A date such as `2024-JUN-07` with the month's number. -#}
{% macro with_month_number(text) -%}
    {%- set replaced = [text] -%}
    {%- for month in months() -%}
        {%- do replaced.append(
            "replace(%s, '-%s-', '-%02d-')" | format(replaced[-1], month, loop.index)
        ) -%}
    {%- endfor -%}
    {{ replaced[-1] }}
{%- endmacro %}

{#-
    The microseconds that a number stands for: it is the seconds, milliseconds or microseconds from 1970
    to a day from 1980-01-01 to 2199-12-31. No number is two of them. A smaller one is a date without
    dashes, or none.
-#}
{% macro unix_microseconds(number) -%}
    case
        when {{ number }} >= 315532800 and {{ number }} < 7258118400
            then {{ number }} * 1000000
        when {{ number }} >= 315532800000 and {{ number }} < 7258118400000
            then {{ number }} * 1000
        when {{ number }} >= 315532800000000 and {{ number }} < 7258118400000000
            then {{ number }}
    end
{%- endmacro %}

{#-
    The patterns keep out what DuckDB would also read: 'infinity', 'epoch', '2024-6-7'. The frequent
    spellings are tried first, as patterns take time. `list_transform` computes a value only once.
-#}
{% macro duckdb__to_utc_timestamp(text, patterns) -%}
    {%- set rfc_2822_as_iso -%}
        regexp_replace(
            regexp_replace(given, '^{{ patterns.rfc_2822 }}$', '\5-\4-\3 \6 \8'), '-([0-9]) ', '-0\1 '
        )
    {%- endset -%}
    list_transform([upper({{ trimmed(text) }})], lambda given: case
        when given[5] = '-' then {{ duckdb__iso_to_utc('given', patterns) }}
        when try_cast(given as double) > 0
            then case
                when {{ to_number('given') }} is not null
                    then make_timestamp(
                        cast(round({{ unix_microseconds('try_cast(given as double)') }}) as bigint)
                    )
            end
        else
            list_transform([case
                when given[1] = '{'
                    then trim(concat_ws(
                        ' ',
                        regexp_extract(given, '{{ patterns.php_date }}', 1),
                        regexp_extract(given, '{{ patterns.php_zone }}', 1)
                    ))
                when regexp_full_match(given, '{{ patterns.rfc_2822 }}')
                    then trim({{ with_month_number(rfc_2822_as_iso) }})
            end], lambda iso: {{ duckdb__iso_to_utc('iso', patterns) }})[1]
    end)[1]
{%- endmacro %}

{#-
    A text with a zone becomes a timestamptz first, as a cast to timestamp drops the zone without an
    error, and has seconds, as that cast needs them.
-#}
{% macro duckdb__iso_to_utc(text, patterns) -%}
    case
        when regexp_full_match({{ text }}, '{{ patterns.date }}({{ patterns.time }})?')
            then try_cast({{ text }} as timestamp)
        when regexp_full_match({{ text }}, '{{ patterns.date }}{{ patterns.time }}{{ patterns.zone }}')
            then timezone('UTC', try_cast(
                regexp_replace(
                    regexp_replace(
                        regexp_replace({{ text }}, '(UTC?|GMT)$', 'Z'), '^(.{16}) ?([Z+-])', '\1:00\2'
                    ),
                    ' ([Z+-])', '\1'
                ) as timestamptz
            ))
    end
{%- endmacro %}

{#-
    A cast fails on a day or a time that is none, so the patterns keep those out, too. It rounds what is
    finer than microseconds, and DuckDB cuts it off. With a zone, any but those beyond 15:59, which are
    none. Numbers are rounded to the nearest microsecond, a half up, by whole numbers: `round` takes
    the even one. `offset 0` has a text computed only once.
-#}
{% macro postgres__to_utc_timestamp(text, patterns) -%}
    {%- set year = '(19[89][0-9]|2[01][0-9]{2})' -%}
    {%- set leap_year = '(19(8[048]|9[26])|2000|2[01](0[48]|[2468][048]|[13579][26]))' -%}
    {%- set up_to_28 = '(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])' -%}
    {%- set beyond = '(0[13-9]|1[0-2])-(29|30)|(0[13578]|1[02])-31' -%}
    {%- set day = '(' ~ up_to_28 ~ '|' ~ beyond ~ ')' -%}
    {%- set date = '(' ~ year ~ '-' ~ day ~ '|' ~ leap_year ~ '-02-29)' -%}
    {%- set hour_and_minute = '([01][0-9]|2[0-3]):[0-5][0-9]' -%}
    {%- set time = '[T ](' ~ hour_and_minute ~ '(:[0-5][0-9]([.][0-9]+)?)?|24:00(:00([.]0+)?)?)' -%}
    {%- set zone = ' ?(Z|UTC?|GMT|[+-](0[0-9]|1[0-5])(:?[0-5][0-9])?)' -%}
    {%- set in_microseconds = "regexp_replace(moment, '([.][0-9]{6})[0-9]+', '\\1')" -%}
    {%- set rfc_2822_as_iso -%}
        regexp_replace(
            regexp_replace(given, '^{{ patterns.rfc_2822 }}$', '\5-\4-\3 \6 \8'), '-([0-9]) ', '-0\1 '
        )
    {%- endset -%}
    (
        select case
            when microseconds is not null
                then timestamp '1970-01-01' + interval '1 microsecond'
                    * ((cast(floor(microseconds * 2) as bigint) + 1) / 2)
            when moment ~ '^{{ date }}({{ time }})?$'
                then cast({{ in_microseconds }} as timestamp)
            when moment ~ '^{{ date }}{{ time }}{{ zone }}$'
                then cast(
                    regexp_replace({{ in_microseconds }}, ' ?(UTC?|GMT)$', 'Z') as timestamptz
                ) at time zone 'UTC'
        end
        from (
            select
                moment,
                {{ unix_microseconds('number') }} as microseconds
            from (
                select
                    case
                        when substr(given, 1, 1) = '{'
                            then btrim(concat_ws(
                                ' ',
                                substring(given from '{{ patterns.php_date }}'),
                                substring(given from '{{ patterns.php_zone }}')
                            ))
                        when given ~ '^{{ patterns.rfc_2822 }}$'
                            then btrim({{ with_month_number(rfc_2822_as_iso) }})
                        else given
                    end as moment,
                    {{ to_number('given') }} as number
                from (select upper({{ trimmed(text) }}) as given offset 0) as trimmed
                offset 0
            ) as spelled
        ) as counted
    )
{%- endmacro %}

{#-
    A text with a zone is read without it, and then moved by the zone's hours and minutes: a cast to a
    timestamp with a zone would use that of the session. 24:00 is the next day's midnight, which
    Spark does not know. `transform` computes a value only once.
-#}
{% macro spark__to_utc_timestamp(text, patterns) -%}
    {%- set midnight = '[T ]24:00(:00([.]0+)?)?$' -%}
    {%- set zone_parts = ':.*([+-])([0-9]{2}):?([0-9]{2})?$' -%}
    {%- set rfc_2822_as_iso -%}
        regexp_replace(
            regexp_replace(given, '^{{ patterns.rfc_2822 }}$', '$5-$4-$3 $6 $8'), '-([0-9]) ', '-0$1 '
        )
    {%- endset -%}
    transform(transform(array(upper({{ trimmed(text) }})), given -> case
        when substr(given, 1, 1) = '{'
            then trim(concat_ws(
                ' ',
                regexp_extract(given, '{{ patterns.php_date }}', 1),
                regexp_extract(given, '{{ patterns.php_zone }}', 1)
            ))
        when given rlike r'^{{ patterns.rfc_2822 }}\z' then trim({{ with_month_number(rfc_2822_as_iso) }})
        else given
    end), moment -> case
        when moment rlike r'^{{ patterns.date }}({{ patterns.time }})?\z' and substr(moment, 12, 2) <> '24'
            then try_cast(moment as timestamp_ntz)
        when moment not rlike '^[0-9]{4}-'
            then transform(array({{ to_number('moment') }}), number -> timestampadd(
                microsecond,
                cast(round({{ unix_microseconds('number') }}) as bigint),
                timestamp_ntz '1970-01-01 00:00:00'
            ))[0]
        when moment rlike r'^{{ patterns.date }}{{ patterns.time }}({{ patterns.zone }})?\z'
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
