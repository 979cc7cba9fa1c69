"""The extract stage: the leads and users of a CRM/analytics REST API, into raw tables.

`source` declares what is read, `client` asks for it over `transport`, `answers` proves that an
answer is a page of the list, and `rows` prepares rows for the raw tables. `reading` decides what is
read whole, by what `state` remembers and `warehouse` holds, and `pipeline` chains it with the load
and the dbt project in `transform/`. `masking` keeps the key out of what an API says. `forget`
erases a `person`. `sandbox` is a bundled API to try it all against. `python -m extract` is the
command `elt`.
"""
