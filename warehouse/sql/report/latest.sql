-- One row per configuration: its latest run, of the given experiments or of all where none is given.
select run_id
from runs
where len($experiments::varchar[]) = 0 or list_contains($experiments::varchar[], experiment)
qualify
    row_number() over (
        partition by
            experiment,
            benchmark,
            num_problems,
            explorer,
            num_explored,
            synthesizer,
            num_synthesized,
            num_references,
            num_rounds
        order by started_at desc, run_id desc
    ) = 1
order by started_at, run_id
