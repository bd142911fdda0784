-- One row per trace, grader and gold answer.
create table store.grades (
    trace_id varchar not null,
    grader varchar not null,
    gold varchar not null,
    verdict varchar not null,
    is_correct boolean,
    extracted varchar,
    vote_key varchar,
    points double,
    recipe varchar not null
)
