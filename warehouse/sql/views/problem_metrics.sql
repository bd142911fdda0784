-- One row per run, metric and problem.
create or replace view problem_metrics as
with named as (
    select
        results.run_id,
        results.problem_id,
        results.problem_digest,
        results.stage,
        results.num_attempts,
        unnest(
            if(
                results.stage = 'explore',
                [
                    {
                        'metric': 'mean@1',
                        'place': 1,
                        'value': results.accuracy,
                        'is_there': true
                    },
                    {
                        'metric': 'cons@' || roles.n,
                        'place': 2,
                        'value': results.majority_accuracy,
                        'is_there': roles.n > 1
                    },
                    {
                        'metric': 'logprob-cons@' || roles.n,
                        'place': 3,
                        'value': results.logprob_majority_accuracy,
                        'is_there': roles.n > 1 and stages.num_logprobs > 0
                    },
                    {
                        'metric': 'score-cons@' || roles.n,
                        'place': 4,
                        'value': results.score_majority_accuracy,
                        'is_there': roles.n > 1 and stages.lowest_score >= 0
                    },
                    {
                        'metric': 'best@' || roles.n,
                        'place': 5,
                        'value': results.best_accuracy,
                        'is_there': roles.n > 1 and stages.num_scores > 0
                    },
                    {
                        'metric': 'pass@' || roles.n,
                        'place': 6,
                        'value': pass_at_k(results.num_attempts, results.num_correct, roles.n),
                        'is_there': roles.n > 1
                    },
                    {
                        'metric': 'points@1',
                        'place': 7,
                        'value': results.mean_points,
                        'is_there': stages.num_points > 0
                    }
                ],
                [
                    {
                        'metric': 'a2r',
                        'place': 11,
                        'value': results.accuracy,
                        'is_there': true
                    },
                    {
                        'metric': 'a2r-cons@' || roles.n,
                        'place': 12,
                        'value': results.majority_accuracy,
                        'is_there': roles.n > 1
                    },
                    {
                        'metric': 'a2r-points',
                        'place': 13,
                        'value': results.mean_points,
                        'is_there': stages.num_points > 0
                    }
                ]
            )
        ) as found
    from store.problem_results as results
    inner join store.roles on results.run_id = roles.run_id and results.stage = roles.stage
    inner join store.stage_results as stages on results.run_id = stages.run_id and results.stage = stages.stage
)

select
    named.run_id,
    named.problem_id,
    named.problem_digest,
    named.found.metric,
    named.found.place,
    named.num_attempts,
    named.found.value,
    named.stage
from named
where named.found.is_there
