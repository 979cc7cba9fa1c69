{#-
    When a row last changed, for choosing the newest of several. No row is newer than its load: a
    `last_update` ahead of its time, from a wrong clock, must not win for ever.
-#}
{% macro changed_at() -%}
    case when last_updated_at > loaded_at then loaded_at else last_updated_at end
{%- endmacro %}

{#- Orders rows by `changed_at`, the newest first and the unknown last, on every engine. -#}
{% macro newest_first() -%}
    case when changed_at is null then 1 else 0 end,
    changed_at desc,
    loaded_at desc,
    last_updated_at desc
{%- endmacro %}
