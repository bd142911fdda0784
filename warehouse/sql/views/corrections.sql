-- One row per verdict by hand, in force or withdrawn, as its source said it last.
create or replace view corrections as
select
    source,
    line,
    trace_id,
    problem_id,
    problem_digest,
    answer,
    verdict,
    who,
    why,
    entered_at,
    not is_withdrawn as is_in_force
from store.corrections
qualify row_number() over (partition by source, trace_id, problem_digest, answer order by entered_at desc) = 1
order by source, line
