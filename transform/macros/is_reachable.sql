{#-
    Whether a contact can be reached by e-mail: there is an address, and it did not unsubscribe, bounce
    or mark an e-mail as spam. What the API does not say counts as no.
-#}
{% macro is_reachable() -%}
    email is not null
    and not coalesce(is_unsubscribed, false)
    and not coalesce(is_bounced, false)
    and not coalesce(is_marked_as_spam, false)
{%- endmacro %}
