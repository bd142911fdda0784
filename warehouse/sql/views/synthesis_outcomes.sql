-- One row per run with a synthesizer and problem: the answers of the last round against the vote of all explorers.
create or replace view synthesis_outcomes as
select * exclude (stage, round, is_last)
from round_outcomes
where is_last
