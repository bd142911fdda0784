-- One row per stage and reason why traces that a run wanted were not made: how many, and the commonest message.
select
    members.stage,
    failures.error_code as code,
    mode(failures.error_message) as message,
    count(distinct members.trace_id)::integer as num_traces
from (from store.members where run_id = $run_id) as members
inner join store.failures as failures on members.trace_id = failures.trace_id
left join store.traces as traces on failures.recipe = traces.recipe and members.trace_id = traces.trace_id
where traces.trace_id is null
group by members.stage, failures.error_code
order by num_traces desc, members.stage, code
