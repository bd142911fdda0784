-- One row per run and stage: the role at work in it.
create table store.roles (
    run_id varchar not null,
    stage varchar not null,
    model varchar not null,
    revision varchar,
    params double,
    price_input double,
    price_output double,
    price_cached_input double,
    price_reasoning double,
    price_batch double,
    recipe varchar not null,
    engine varchar not null,
    prompt varchar not null,
    n integer not null,
    temperature double not null,
    max_tokens integer not null,
    num_references integer,
    num_wanted integer not null,
    num_blocked integer not null
)
