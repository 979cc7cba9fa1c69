{#- Stands in for the snapshot where nothing is ever deleted from raw. -#}
select distinct cast(crmhero_user_id as {{ dbt.type_string() }}) as contact_id
from {{ accepted_copies('leads') }}
