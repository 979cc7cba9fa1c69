{#-
    A flag, however it is spelled; null where it is neither yes nor no. An empty list says no: PHP
    back ends send it for "none".
-#}
{% macro to_boolean(text) -%}
    {{ return(adapter.dispatch('to_boolean')(trimmed(text), {
        'true': ['1', '1.0', 'true', 't', 'yes', 'y', 'on'],
        'false': ['0', '0.0', 'false', 'f', 'no', 'n', 'off', '[]']
    })) }}
{%- endmacro %}

{#-
    A flag by which a contact must not be written to. Only a clear no counts as no: any other value, be
    it a date or a word, may say that the contact opted out, and counts as yes. Null where blank.
-#}
{% macro to_objection(text) -%}
    coalesce({{ to_boolean(text) }}, nullif({{ trimmed(text) }} <> '', false))
{%- endmacro %}

{#-
    A look-up computes the text once, a `case` in a filter once for each spelling. Not by `in`: DuckDB
    makes a join of a list of six, for which every query on staging would pay, even one that does not
    read the flag.
-#}
{% macro duckdb__to_boolean(text, spellings) -%}
    map { {{ each_spelling(spellings, "'%s': %s", ', ') }} }[lower({{ text }})]
{%- endmacro %}

{% macro postgres__to_boolean(text, spellings) -%}
    case lower({{ text }}) {{ each_spelling(spellings, "when '%s' then %s", ' ') }} end
{%- endmacro %}

{% macro spark__to_boolean(text, spellings) -%}
    map({{ each_spelling(spellings, "'%s', %s", ', ') }})[lower({{ text }})]
{%- endmacro %}

{% macro each_spelling(spellings, pattern, separator) -%}
    {%- set parts = [] -%}
    {%- for value, texts in spellings.items() -%}
        {%- for spelling in texts -%}
            {%- do parts.append(pattern | format(spelling, value)) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ parts | join(separator) }}
{%- endmacro %}
