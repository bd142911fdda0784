"""Completed means whole: whatever fails, is repaired and is tried again, a green run equals an undisturbed one."""

import asyncio
import html
import json
import random
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from configs.experiment import Experiment
from configs.schema import ConfigModel, UserError
from tasks.analysis.report.page import write_report
from tasks.analysis.runs import list_runs
from tasks.engines import protocol
from tasks.engines.pool import open_engines
from tasks.engines.protocol import Completion, EngineError, EngineKind, Failure
from tasks.executor.shard_task import generate_shard
from tasks.executor.submit import submitted
from tasks.grade import assess
from tasks.publish import shortfall, summarize
from tasks.run import members_of, record, resolve, stage_summary
from tasks.stage import shards_by_stage
from warehouse.catalog import connect
from warehouse.failures import FailureCode
from warehouse.grades import valid_grades
from warehouse.integrity import verify
from warehouse.journal import Journal
from warehouse.loader import load
from warehouse.manifest import manifests
from warehouse.store import Store

STAGES = ("explore", "synthesize")


class Killed(BaseException):
    """The process is gone before its journals are parts."""


class Faults:
    """What goes wrong in the next steps; nothing at first."""

    def __init__(self):
        self.calls = Counter()
        self.mend()

    def mend(self):
        self.refused = dict.fromkeys(STAGES, 0.0)
        self.code = FailureCode.BAD_REQUEST
        self.dies_after = None
        self.is_killed = False

    def break_something(self, dice):
        for stage in STAGES:
            self.refused[stage] = dice.choice([0.0, 0.0, 0.2, 0.5, 1.0])
        self.code = dice.choice([FailureCode.BAD_REQUEST, FailureCode.CONTEXT_OVERFLOW, FailureCode.TIMEOUT])
        self.dies_after = dice.choice([None, None, dice.randrange(1, 40)])
        self.is_killed = dice.random() < 0.25


FAULTS = Faults()


class Settings(ConfigModel):
    """One engine for both roles."""

    concurrency: int = 4


class Engine:
    """Answers by prompt and seed, right or wrong by the seed, except for what is to go wrong."""

    def __init__(self, model, settings):
        self._stage = {"small": "explore", "big": "synthesize"}[model.id]
        self.concurrency, self.group = settings.concurrency, 1

    async def start(self):
        """Nothing to load."""

    async def complete(self, request, deliver):
        now = datetime.now(UTC)
        for _ in range(request.seeds[0] % 5):
            await asyncio.sleep(0)
        for place, seed in enumerate(request.seeds):
            FAULTS.calls[self._stage] += 1
            if FAULTS.dies_after is not None and FAULTS.calls.total() > FAULTS.dies_after:
                raise EngineError("The endpoint does not answer.")
            if random.Random(seed).random() < FAULTS.refused[self._stage]:
                deliver(place, Failure(FAULTS.code, "refused", now, 1))
                continue
            shown = request.messages[-1].content
            answer = f"\\boxed{{{random.Random(f'{seed} {shown}').randrange(3)}}}"
            deliver(place, Completion(None, answer, "stop", seed, 0, 9, 9, 9, now, 0.1, 1))

    async def close(self):
        return ()


SEEDED = EngineKind(
    settings=Settings,
    build=Engine,
    check=protocol.accepts_all,
    starts_quickly=protocol.always_quick,
    identify=protocol.as_given,
    weights=lambda model, _: model.id,
    context=protocol.unknown_context,
    context_setting=protocol.no_context_setting,
    largest_shard=lambda _: 512,
    claims=protocol.claims_nothing,
    process=protocol.by_settings,
)


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "problems.jsonl"
    rows = [{"id": f"p{i}", "problem": f"q{i}", "answer": str(i % 3)} for i in range(6)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    engine = {"kind": f"{__name__}:SEEDED"}
    return Experiment.model_validate(
        {
            "name": "whole",
            "benchmark": {"source": "file", "path": str(path), "question": "problem", "id": "id"},
            "explorer": {"model": {"id": "small"}, "engine": engine, "sampling": {"n": 5, "max_tokens": 9}},
            "synthesizer": {
                "model": {"id": "big"},
                "engine": engine,
                "references": {"count": 3},
                "sampling": {"n": 2, "max_tokens": 9},
            },
            "execution": {"shard_size": 10},
        }
    )


def stepped(experiment, store, dice, *names):
    """One execution as the flows do it, its shards in any order that their references allow; why it is not green."""
    FAULTS.calls.clear()
    with open_engines():
        run = resolve(experiment, store)
        chosen = [stage for stage in run.stages if not names or stage.name in names]
        planned = shards_by_stage(chosen, run.problems)
        make = dice.choice([one_after_the_other, streaming])
        run.complaints += [complaint for complaint in make(planned, dice) if complaint]
        if names and names != ("grade",):
            return shortfall(stage_summary(run, [stage for stage in run.stages if stage.name in names]), run)
        assess(run)
        record(run)
        return shortfall(stage_summary(run, run.stages), run)


def one_after_the_other(planned, dice):
    """Each shard when those that it reads from have ended."""
    waiting = [shard for shards in planned for shard in shards]
    while waiting:
        shard = dice.choice([s for s in waiting if not _sources(s, waiting)])
        waiting.remove(shard)
        yield tried(shard, (), dice.choice([1, 1, 2]))


def streaming(planned, dice):
    """All shards at once, those that read beside those that they read from."""
    with ThreadPoolExecutor(8) as threads:
        tries = {shard.label: dice.choice([1, 1, 2]) for shards in planned for shard in shards}
        futures = submitted(
            planned, lambda shard, sources: threads.submit(tried, shard, sources, tries[shard.label])
        )
    return [future.result() for future in futures.values()]


def tried(shard, sources, times):
    """Make a shard as Prefect does, with its retries; why it failed."""
    for _ in range(times):
        try:
            return generate_shard.fn(shard.label, shard, sources) and None
        except UserError as error:
            complaint = str(error)
    return complaint


def _sources(shard, waiting):
    read, digests = {s.name for s in shard.stage.reads}, {p.problem_digest for p in shard.problems}
    return [w for w in waiting if w.stage.name in read and digests & {p.problem_digest for p in w.problems}]


def outcome(experiment, store):
    """Every wanted trace by stage, problem and sample: its references' digests, answer and verdict."""
    run = resolve(experiment, store)
    found = {}
    for stage in run.stages:
        members = members_of(run)[stage.name]
        rows = stage.index.rows([m.trace_id for m in members], ["answer", "reference_ids"]).to_pylist()
        texts = {row["trace_id"]: (row["answer"], row["reference_ids"]) for row in rows}
        verdicts = dict(
            valid_grades(stage.index, run.grader.key, ["trace_id", "verdict"], {m.trace_id for m in members})
        )
        for m in members:
            found[stage.name, m.problem_id, m.sample_index] = (*texts[m.trace_id], verdicts[m.trace_id])
    run.grader.close()
    return found


@pytest.fixture(scope="module")
def adaptive(experiment):
    """The same, but sampling of a problem ends once its answers agree, and only disputed ones are read."""
    data = experiment.model_dump(mode="json", exclude_unset=True)
    data["explorer"]["stop"] = {"agreement": 0.6, "after": 2, "step": 1}
    data["synthesizer"]["when"] = {"agreement_below": 1.0}
    return Experiment.model_validate(data)


@pytest.fixture(scope="module")
def experiments(experiment, adaptive, tmp_path_factory):
    """Both with what an undisturbed run of them comes to: traces and numbers."""
    return [(made, *undisturbed(made, tmp_path_factory.mktemp("root"))) for made in (experiment, adaptive)]


def undisturbed(experiment, folder):
    FAULTS.mend()
    store = Store(str(folder))
    assert stepped(experiment, store, random.Random(0)) is None
    return outcome(experiment, store), metrics(store)


def test_samples_and_problems_of_the_undisturbed_runs(experiments):
    (_, whole, _), (_, stopped, _) = experiments
    assert len(whole) == 6 * 5 + 6 * 2
    sizes = Counter(problem for stage, problem, _ in stopped if stage == "explore")
    read = {problem for stage, problem, _ in stopped if stage == "synthesize"}
    assert set(sizes.values()) >= {2, 5}, "some agree at once and some never do"
    assert 0 < len(read) < 6, "some are left to the vote"
    assert len(stopped) == sizes.total() + 2 * len(read)


def metrics(store):
    load(store)
    latest = max(manifests(store), key=lambda manifest: manifest.finished_at)
    return summarize(store, latest.run_id)["metrics"]


@pytest.fixture
def kills(monkeypatch):
    """A kill leaves journals, their writer gone."""
    seal = Journal.seal

    def sealed_unless_killed(journal):
        if FAULTS.is_killed:
            journal.close()
            raise Killed
        return seal(journal)

    monkeypatch.setattr(Journal, "seal", sealed_unless_killed)


@pytest.mark.parametrize("seed", range(40))
def test_green_run_is_whole_and_equals_an_undisturbed_one(experiments, tmp_path, kills, seed):
    """A history of up to five steps, most of them with faults, and then one without."""
    experiment, traces, numbers = experiments[seed % 2]
    dice, store = random.Random(seed), Store(str(tmp_path / "root"))
    for _ in range(dice.randrange(1, 6)):
        FAULTS.mend()
        if dice.random() < 0.8:
            FAULTS.break_something(dice)
        names = dice.choice([(), (), ("explore",), ("synthesize",), ("grade",)])
        reason = "killed"
        with suppress(Killed):
            reason = stepped(experiment, store, dice, *names)
        if reason is None and (not names or names == ("grade",)):
            assert outcome(experiment, store) == traces
        if reason and reason != "killed":
            assert "a2r run" in reason or "run the same command again" in reason.lower(), (
                "the next step is told"
            )
    FAULTS.mend()
    assert stepped(experiment, store, dice) is None, "one run after the repair is whole"
    assert outcome(experiment, store) == traces
    assert stepped(experiment, store, dice) is None
    assert not FAULTS.calls, "and nothing is requested again"
    [explorer, _] = resolve(experiment, store).stages
    assert len(set(explorer.index.answers())) == sum(stage == "explore" for stage, *_ in traces), (
        "and none in vain"
    )
    if seed % 20 < 2:
        assert metrics(store) == numbers
        assert list(verify(store)) == []


def test_ending_samples_early_after_a_whole_run_requests_nothing(experiments, tmp_path):
    (experiment, *_), (adaptive, traces, numbers) = experiments
    FAULTS.mend()
    store = Store(str(tmp_path))
    assert stepped(experiment, store, random.Random(0)) is None
    assert stepped(adaptive, store, random.Random(0)) is None
    assert not FAULTS.calls
    assert outcome(adaptive, store) == traces
    assert metrics(store) == numbers
    with connect(store) as catalog:
        columns = "num_problems, num_stopped, num_samples, num_tokens, num_full_tokens, accuracy, full_accuracy, low, high"
        [saved] = catalog.execute(f"select {columns} from stopping").fetchall()
        [whole] = catalog.execute(
            "select run_id from store.roles where stage = 'explore' and num_fixed = n"
        ).fetchall()
        [replayed] = catalog.execute(
            f"select {columns} from replay_stopping(?, [0.6], 2, 1)", whole
        ).fetchall()
    assert saved == pytest.approx(replayed), "what was saved is what a replay of the whole run says"
    assert saved[2] == sum(stage == "explore" for stage, *_ in traces)


def test_headline_of_adaptive_samples_without_a_synthesizer_is_their_vote(experiments, tmp_path):
    _, (adaptive, *_) = experiments
    FAULTS.mend()
    data = adaptive.model_dump(mode="json", exclude_unset=True)
    del data["synthesizer"]
    store = Store(str(tmp_path))
    assert stepped(Experiment.model_validate(data), store, random.Random(0)) is None
    load(store)
    [listed] = list_runs(store.root, 1)
    assert listed.metric == "stopped-cons@5"
    write_report(store, [listed.run_id], tmp_path / "report.html")
    titles = re.findall(r'class="what">([^<]*)', html.unescape((tmp_path / "report.html").read_text()))
    assert titles == ["One explorer sample", "Explorer's vote", "Any sample right"]


def test_vote_against_all_samples_is_unknown_without_them(experiments, tmp_path):
    _, (adaptive, *_) = experiments
    FAULTS.mend()
    store = Store(str(tmp_path))
    assert stepped(adaptive, store, random.Random(0)) is None
    load(store)
    with connect(store) as catalog:
        [row] = catalog.execute("select accuracy, num_full_tokens, num_stopped > 0 from stopping").fetchall()
        assert (row[0] is not None, *row[1:]) == (True, None, True)
        [(paired, problems)] = catalog.execute("select num_paired, num_problems from stopping").fetchall()
        assert 0 < paired < problems, "only the problems that never agreed have all"
        kinds = "select kind, k, num_problems from curves where stage = 'explore' and num_problems = 6 order by all"
        assert [k for kind, k, _ in catalog.execute(kinds).fetchall() if kind == "pass"] == [1, 2]
        assert catalog.execute(
            "select count(*) from synthesis_outcomes where outcome is not null"
        ).fetchone() == (6,)
