-- One row: which file this is, and how new its data.

select
    max(published.version) as file_version,
    strftime(max(published.published_at), '%-d %B %Y, %H:%M') as published_at,
    strftime(max(published.data_as_of), '%-d %B %Y, %H:%M') as data_as_of,
    max(as_of.usual_days_to_convert) as usual_days_to_convert
from as_of
left join published
    on true
