-- One row per stage of a run that has samples: what grading them came to, as its summary has it.
select
    stage,
    num_samples - num_infra_errors as answers,
    num_attempts as decided,
    num_no_answer as no_answer,
    num_truncated as truncated,
    num_grader_errors as undecided,
    num_ungraded as ungraded,
    num_by_hand as by_hand
from store.stage_results
where run_id = $run_id and stage <> 'explorers'
order by stage
