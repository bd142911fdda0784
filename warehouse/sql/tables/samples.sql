-- One row per run and trace it wanted, with what became of it.
-- noqa: disable=RF02
create table store.samples as
select
    members.*,
    traces.status,
    grades.verdict,
    grades.is_correct,
    grades.extracted,
    grades.vote_key,
    traces.finish_reason,
    failures.error_code,
    traces.* exclude (
        trace_id,
        stage,
        recipe,
        problem_id,
        problem_digest,
        sample_index,
        status,
        finish_reason,
        choice_index,
        num_tries,
        reference_ids,
        answer_digest,
        part
    ),
    grades.points,
    ''::varchar as decided_by,
    false as is_by_hand,
    ''::varchar as why_by_hand
from store.members, store.traces, store.grades, store.failures
where false
