-- One row: the SQL and the root this catalog was built by; if they differ, it is rebuilt.
create table store.layout (
    digest varchar not null,
    root varchar not null
)
