{#-
    The history that the API does not keep: what a contact was before, and when it was gone.

    It comes after all tests of what the API sent and of who is a contact, so that what fails one does
    not enter it: nothing can be read again that was once noted wrong. The marts come after it.
    What moves with every visit (last activity, browser, city) makes no version.
-#}
{% snapshot snap_contacts %}

    {{ config(
        unique_key='contact_id',
        strategy='check',
        check_cols=[
            'user_id',
            'email',
            'full_name',
            'contact_stage',
            'role',
            'username',
            'subscription_status',
            'country',
            'country_code',
            'nps_vote',
            'is_unsubscribed',
            'is_bounced',
            'is_marked_as_spam',
            'is_subscription_active',
        ],
        hard_deletes='new_record',
    ) }}

    select
        contact_id,
        user_id,
        email,
        full_name,
        contact_stage,
        role,
        username,
        subscription_status,
        country,
        country_code,
        utm_source,
        utm_medium,
        utm_campaign,
        utm_content,
        utm_term,
        referrer,
        nps_vote,
        is_unsubscribed,
        is_bounced,
        is_marked_as_spam,
        is_subscription_active,
        first_seen_at,
        created_at,
        last_updated_at
    from {{ ref('int_contacts_resolved') }}

{% endsnapshot %}
