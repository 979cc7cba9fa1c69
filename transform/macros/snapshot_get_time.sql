{#-
    When a build noted a version, naive UTC. dbt takes the server's clock, in the zone of the session;
    the runs of the extract stage, with which it is compared, have the clock of this machine.
-#}
{% macro postgres__snapshot_get_time() -%}
    cast('{{ run_started_at.strftime("%Y-%m-%d %H:%M:%S.%f") }}' as timestamp)
{%- endmacro %}
