{{ config(severity='warn') }}

-- A returned row was set aside because it has no usable key: it is missing from every model. It
-- leaves this table with the next full refresh after the API lists it right, or no more.
select
    resource,
    row_hash,
    reason,
    row_json
from {{ raw_rows('rejected_rows') }}
