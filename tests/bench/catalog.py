"""Measure every relation people look at over a catalog of a million synthetic samples.

    make bench
    python tests/bench/catalog.py --runs 100

One hundred nights of 500 problems, 16 explorer and 4 synthesizer samples each: a million samples.
Each query is asked five times on two threads of a published catalog; the first is cold, the median of
the others is the figure. A night more is then loaded into a hundred, and into one, to tell what of a
load depends on history.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import duckdb

from warehouse.catalog import connect, create_relations, create_tables, enter_root
from warehouse.loader import reduce_stale
from warehouse.store import Store

NUM_PROBLEMS, NUM_EXPLORED, NUM_SYNTHESIZED = 500, 16, 4
LONGEST = 1.0
"""Seconds that a warm query may take."""

ENTER = (
    """insert into store.runs
    select 'run' || lpad(r::varchar, 4, '0'), 'night', '', 'complete', 'b', 'math-1', $problems,
        timestamptz '2026-01-01 00:00:00Z' + to_days(r), timestamptz '2026-01-01 01:00:00Z' + to_days(r),
        '{}', '{}', '{}', false, true, '[]'
    from range($first, $last) t(r)""",
    """insert into store.roles
    select 'run' || lpad(r::varchar, 4, '0'), stage, stage || '-model', null, 1e9 + r * 1e7, 1, 2, null, null, 0.5,
        stage || r, 'openai', 'p', n, 1, 4096, references_, n * $problems, 0,
        place, place, if(place > 0, ['explore'], []), stage, stage, n, []
    from range($first, $last) t(r),
        (values ('explore', $n, null, 0), ('synthesize', $m, 4, 1)) as s(stage, n, references_, place)""",
    """create or replace temp table drawn as
    select 'run' || lpad(r::varchar, 4, '0') as run_id, roles.stage, roles.recipe, 'p' || p as problem_id,
        i::integer as sample_index, md5(concat_ws('/', roles.stage, r, p, i)) as trace_id,
        random() < if(roles.stage = 'explore', 0.0, 0.15) + ((hash(p) % 1000) / 1000) ^ 1.2 as is_right,
        (random() * random() * 12)::integer as wrong
    from range($first, $last) t(r)
    join store.roles on roles.run_id = 'run' || lpad(r::varchar, 4, '0')
    cross join range($problems) s(p)
    cross join lateral range(roles.n) u(i)""",
    """insert into store.members by name
    select run_id, stage, problem_id, md5(problem_id) as problem_digest, sample_index, trace_id, '42' as gold
    from drawn""",
    """insert into store.traces by name
    select trace_id, stage, recipe, md5(problem_id) as problem_digest, sample_index,
        (hash(trace_id) % 1000000000)::bigint as seed, 0 as choice_index, 'ok' as status, 'stop' as finish_reason,
        200 as num_prompt_tokens, 200 as num_billed_prompt_tokens, (500 + random() * 3000)::integer as num_completion_tokens,
        timestamptz '2026-01-01 00:00:00Z' as started_at, 1 + random() * 30 as latency_seconds,
        -random() as mean_logprob, random() as score, 1 as num_tries, [] as reference_ids, 'part' as part
    from drawn""",
    """insert into store.grades by name
    select trace_id, 'math-1' as grader, '42' as gold, if(is_right, 'correct', 'wrong') as verdict,
        is_right as is_correct, if(is_right, '42', wrong::varchar) as extracted,
        if(is_right, '42', wrong::varchar) as vote_key, recipe, md5(problem_id) as problem_digest
    from drawn""",
)

QUERIES = {
    "leaderboard": "from leaderboard",
    "metrics": "from metrics",
    "costs": "from costs",
    "latencies": "from latencies",
    "pareto": "from pareto",
    "curves": "from curves",
    "gains": "from gains",
    "diversity": "from diversity",
    "calibration": "from calibration",
    "runs": "from runs",
    "problem_results of a run": "from problem_results where run_id = $run",
    "problem_metrics of a run": "from problem_metrics where run_id = $run",
    "synthesis_outcomes": "select run_id, outcome, count(*) from synthesis_outcomes group by all",
    "synthesis_outcomes of a run": "from synthesis_outcomes where run_id = $run",
    "pass_at_k of a run": "from pass_at_k where run_id = $run",
    "cons_at_k of a run": "from cons_at_k where run_id = $run",
    "samples of a run": "from samples where run_id = $run",
    "votes_of a run, every k": "from votes_of([$run], range(1, 17))",
    "compare_runs": "from compare_runs($before, $run)",
    "compare_to seven nights": "from compare_to((select list(run_id) from runs where run_id < $run), $run)",
    "accuracy over all samples": "select stage, avg(is_correct::int), count(*) from samples group by stage",
}


def enter(connection: duckdb.DuckDBPyConnection, first: int, last: int) -> None:
    """Runs `first` to `last` of the experiment, not yet reduced."""
    values = {"first": first, "last": last, "problems": NUM_PROBLEMS, "n": NUM_EXPLORED, "m": NUM_SYNTHESIZED}
    for statement in ENTER:
        names = {name: value for name, value in values.items() if f"${name}" in statement}
        connection.execute(statement, names)


def reduce(connection: duckdb.DuckDBPyConnection) -> float:
    """CPU seconds of the reduction that a load makes."""
    began = time.process_time()
    reduce_stale(connection)
    return time.process_time() - began


def build(store: Store, num_runs: int) -> None:
    """A catalog of `num_runs` nights, and what the last of them cost beside the first."""
    with duckdb.connect(store.catalog_path, config={"threads": 2}) as connection:
        connection.execute("set timezone = 'UTC'")
        connection.execute("select setseed(0.5)")
        create_tables(connection)
        create_relations(connection, store.root)
        enter_root(connection, store.root)
        enter(connection, 0, 1)
        alone = reduce(connection)
        enter(connection, 1, num_runs - 1)
        told(f"reduce {num_runs - 2} nights at once, CPU seconds", f"{reduce(connection):.1f}")
        enter(connection, num_runs - 1, num_runs)
        told(
            "reduce one night, CPU seconds: alone; beside all others",
            f"{alone:.2f}; {reduce(connection):.2f}",
        )


def ask(store: Store, num_runs: int) -> list[str]:
    """Time every query; the names of those that were too slow."""
    slow = []
    names = {"run": f"run{num_runs - 1:04}", "before": f"run{num_runs - 2:04}"}
    with connect(store) as catalog:
        catalog.execute("set threads = 2")
        [(count,)] = catalog.execute("select count(*) from samples").fetchall()
        told("samples", f"{count:,}")
        for what, query in QUERIES.items():
            values = {name: value for name, value in names.items() if f"${name}" in query}
            seconds = []
            for _ in range(5):
                began = time.perf_counter()
                rows = len(catalog.execute(query, values).fetchall())
                seconds.append(time.perf_counter() - began)
            warm = statistics.median(seconds[1:])
            told(f"{what} ({rows:,} rows), seconds warm; first", f"{warm:.3f}; {seconds[0]:.3f}")
            slow += [what] if warm > LONGEST else []
    return slow


def told(what: str, figure: str) -> None:
    """One line of the report."""
    print(f"{what:<66} {figure}", flush=True)


def main() -> None:
    """The command; fails where a warm query takes longer than a second."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=100)
    num_runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory(prefix="a2r-catalog-") as folder:
        store = Store(str(Path(folder)))
        build(store, num_runs)
        if slow := ask(store, num_runs):
            raise SystemExit(f"slower than {LONGEST:g} s: {', '.join(slow)}")


if __name__ == "__main__":
    main()
