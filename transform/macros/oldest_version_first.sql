{#-
    Orders the versions of a contact or a user, the oldest first. A version that a clock noted that was
    ahead ends as it begins, and comes before the one that replaced it.
-#}
{% macro oldest_version_first() -%}
    built_at, case when replaced_at is null then 1 else 0 end, replaced_at
{%- endmacro %}
