{#-
    Orders rows by when they last changed, the newest first. A row whose `last_update` is unreadable
    or in the future comes last.
-#}
{% macro newest_first() -%}
    case when changed_at is null then 1 else 0 end, changed_at desc, last_updated_at desc nulls last
{%- endmacro %}
