{#-
    Whether a contact may be written to: there is an e-mail address, which has one `@` with something on
    both sides, and it did not unsubscribe, bounce or mark an e-mail as spam. What the API does not say
    counts as no.
-#}
{% macro is_reachable() -%}
    coalesce(email like '_%@%_' and email not like '%@%@%', false)
    and not coalesce(is_unsubscribed, false)
    and not coalesce(is_bounced, false)
    and not coalesce(is_marked_as_spam, false)
{%- endmacro %}
