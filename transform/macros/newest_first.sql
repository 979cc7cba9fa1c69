{#-
    Orders rows that claim to be the same contact, the newest first. A row that was listed by a later
    load beats one that no longer was: its e-mail was changed, say. Within a load `last_update`
    decides; a row whose `last_update` is unreadable or in the future comes last.
-#}
{% macro newest_first() -%}
    loaded_at desc,
    case when changed_at is null then 1 else 0 end,
    changed_at desc,
    last_updated_at desc
{%- endmacro %}
