-- The channels to choose from: named ones by size, then the rest.

select channel
from contacts
group by channel
order by channel in ('no campaign', 'other channels'), count(*) desc, channel
