-- One row per stored answer, without its text.
create table store.traces as
select
    trace_id,
    ''::varchar as stage,
    ''::varchar as recipe,
    problem_id,
    problem_digest,
    sample_index,
    * exclude (
        trace_id,
        problem_id,
        problem_digest,
        sample_index,
        reasoning,
        answer,
        error_code,
        error_message
    ),
    ''::varchar as part
from trace_columns
where false
