-- One row per run, metric and problem.
create or replace view problem_metrics as
with named as (
    select
        results.run_id,
        results.problem_id,
        results.problem_digest,
        results.stage,
        suites.member,
        suites.place as rank,
        greatest(results.num_fixed_attempts, 1) as num_attempts, -- a vote that was left to stand is one answer
        10 * pools.place as first_place,
        if(pools.is_main, '', results.stage || '/') as prefix,
        unnest(
            if(
                pools.round = 0,
                [
                    {
                        'metric': 'mean@1',
                        'measure': 'mean',
                        'place': 1,
                        'value': results.accuracy,
                        'is_there': true
                    },
                    {
                        'metric': if(pools.num_fixed < pools.n, 'stopped-', '') || 'cons@' || pools.n,
                        'measure': 'cons',
                        'place': 2,
                        'value': results.majority_accuracy,
                        'is_there': pools.n > 1
                    },
                    {
                        'metric': 'logprob-cons@' || pools.n,
                        'measure': 'logprob-cons',
                        'place': 3,
                        'value': results.logprob_majority_accuracy,
                        'is_there': pools.n > 1 and pools.num_fixed = pools.n and stages.num_logprobs > 0
                    },
                    {
                        'metric': 'confidence-cons@' || pools.n,
                        'measure': 'confidence-cons',
                        'place': 9,
                        'value': results.confidence_majority_accuracy,
                        'is_there': pools.n > 1 and pools.num_fixed = pools.n and stages.num_confidences > 0
                    },
                    {
                        'metric': 'score-cons@' || pools.n,
                        'measure': 'score-cons',
                        'place': 4,
                        'value': results.score_majority_accuracy,
                        'is_there': pools.n > 1 and pools.num_fixed = pools.n and stages.lowest_score >= 0
                    },
                    {
                        'metric': 'best@' || pools.n,
                        'measure': 'best',
                        'place': 5,
                        'value': results.best_accuracy,
                        'is_there': pools.n > 1 and pools.num_fixed = pools.n and stages.num_scores > 0
                    },
                    {
                        'metric': 'logprob-best@' || pools.n,
                        'measure': 'logprob-best',
                        'place': 8,
                        'value': results.logprob_best_accuracy,
                        'is_there': pools.n > 1 and pools.num_fixed = pools.n and stages.num_logprobs > 0
                    },
                    {
                        'metric': 'pass@' || pools.num_fixed,
                        'measure': 'pass',
                        'place': 6,
                        'value': pass_at_k(results.num_fixed_attempts, results.num_fixed_correct, pools.num_fixed),
                        'is_there': pools.n > 1
                    },
                    {
                        'metric': 'points@1',
                        'measure': 'points',
                        'place': 7,
                        'value': results.mean_points,
                        'is_there': stages.num_points > 0
                    }
                ],
                [
                    {
                        'metric': 'a2r',
                        'measure': 'mean',
                        'place': 1,
                        'value': results.accuracy,
                        'is_there': true
                    },
                    {
                        'metric': 'a2r-cons@' || pools.n,
                        'measure': 'cons',
                        'place': 2,
                        'value': results.majority_accuracy,
                        'is_there': pools.n > 1
                    },
                    {
                        'metric': 'a2r-points',
                        'measure': 'points',
                        'place': 3,
                        'value': results.mean_points,
                        'is_there': stages.num_points > 0
                    }
                ]
            )
        ) as found
    from store.problem_results as results
    inner join pools() as pools on results.run_id = pools.run_id and results.stage = pools.stage
    inner join store.stage_results as stages on results.run_id = stages.run_id and results.stage = stages.stage
    left join store.suites on results.run_id = suites.run_id and member_of(results.problem_id) = suites.member
)

select
    named.run_id,
    named.problem_id,
    named.problem_digest,
    named.prefix || named.found.metric as metric,
    named.first_place + named.found.place as place,
    named.num_attempts,
    named.found.value,
    named.stage,
    named.found.measure,
    named.member,
    named.rank
from named
where named.found.is_there
