-- One row: whether an answer of a vanished part is nowhere else.
select count(*) > 0 as is_lost
from store.traces
where part in (select unnest($gone))
