{#-
    What identifies a user who has no id as a contact: the user id. One that a tracker fills in for
    everybody, such as "undefined", identifies nobody: then the e-mail is part of it. `account_of` in
    extract/person.py has the same list.
-#}
{% macro account_id() -%}
    {%- set ids_of_nobody = [
        'undefined', 'null', 'nil', 'none', 'nan', 'n/a', 'na', 'unknown', 'anonymous', 'guest',
        'false', 'true', '[object object]', '{}', '[]', '(null)', '(none)', '(not set)', 'not set',
        'empty', 'default', 'user_id', 'userid', 'user id'
    ] -%}
    case
        when
            lower(user_id) in ('{{ ids_of_nobody | join("', '") }}')
            or translate(user_id, '0-.', '') = ''
            then {{ dbt.concat(['user_id', "':'", 'email']) }}
        else user_id
    end
{%- endmacro %}

{#- The id as a contact of a user whose row has none and whose other rows have none, either. -#}
{% macro contact_id_of_account(account_id) -%}
    {{ dbt.concat(["'user:'", account_id]) }}
{%- endmacro %}
