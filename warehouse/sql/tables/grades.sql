-- One row per trace, grader, gold answer and judged answer.
create table store.grades (
    trace_id varchar not null,
    grader varchar not null,
    gold varchar not null,
    verdict varchar not null,
    is_correct boolean,
    extracted varchar,
    vote_key varchar,
    points double,
    answer_digest varchar,
    decided_by varchar,
    recipe varchar not null,
    problem_digest varchar not null
)
