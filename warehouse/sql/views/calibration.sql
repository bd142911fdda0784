-- One row per run, stage and tenth of the vote share: how often the vote is right when that share of the samples agrees.
create or replace view calibration as
with shared as (
    select
        results.run_id,
        results.stage,
        results.num_votes / results.num_attempts as share,
        greatest(ceil(10 * results.num_votes / results.num_attempts - 1e-9)::integer, 1) as tenth,
        results.majority_accuracy
    from store.problem_results as results
    where results.majority_accuracy is not null
)

select
    run_id,
    stage,
    (tenth - 1) / 10 as share_above,
    tenth / 10 as share_up_to,
    avg(share) as mean_vote_share,
    avg(majority_accuracy) as accuracy,
    clustered_low(avg(majority_accuracy), var_samp(majority_accuracy), count(*), count(*)) as low,
    clustered_high(avg(majority_accuracy), var_samp(majority_accuracy), count(*), count(*)) as high,
    count(*) as num_problems
from shared
group by run_id, stage, tenth
order by run_id, stage, tenth
