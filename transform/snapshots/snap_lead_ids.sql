{#-
    Every contact id that was ever in leads. A full sync removes the row of a lead that signed up
    from raw; that it once was a lead must outlive it.
-#}
{% snapshot snap_lead_ids %}

    {{ config(
        unique_key='contact_id',
        strategy='check',
        check_cols=['contact_id'],
        hard_deletes='ignore',
    ) }}

    select contact_id from {{ ref('stg_analytics_api__leads') }}

{% endsnapshot %}
