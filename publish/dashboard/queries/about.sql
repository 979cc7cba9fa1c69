-- One row: which file this is, and how new its data.

select
    max(published.version) as file_version,
    strftime(max(published.published_at), '%-d %B %Y, %H:%M') as published_at,
    case
        when max(published.leads_read_at) is not null and max(published.users_read_at) is not null
            then
                strftime(
                    least(max(published.leads_read_at), max(published.users_read_at)),
                    '%-d %B %Y, %H:%M'
                )
    end as data_as_of,
    max(as_of.usual_days_to_convert) as usual_days_to_convert
from as_of
left join published
    on true
