-- One row per run and trace it wanted, with its verdict by the run's grader; no text.
create or replace view samples as
from store.samples
