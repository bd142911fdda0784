-- One row per run whose answers a model judged: that model.
create table store.judges (
    run_id varchar not null,
    model varchar not null,
    params double,
    price_input double,
    price_output double,
    price_cached_input double,
    price_reasoning double,
    price_batch double,
    recipe varchar not null
)
