"""A problem is synthesized as soon as its own references are there, beside the shard that makes those of others."""

import asyncio
import random
from collections import Counter

import pytest
import test_green_means_whole as whole

from configs.experiment import Execution
from tasks.engines.pool import open_engines
from tasks.engines.protocol import Failure
from tasks.run import resolve
from tasks.stage import jobs_of, lacking_of, plans_of, shards_by_stage
from warehouse.failures import FailureCode
from warehouse.store import LostPart, Store

experiment = whole.experiment
"""Six problems, five samples of each, three of which are shown."""
PATIENCE = 3000
"""Hundredths of a second that a reply is held back at most."""


class Script:
    """The order in which requests are sent, and which replies are held back."""

    def __init__(self):
        self.sent = []
        self.is_held = lambda _question: False
        """Whether an explorer's reply to that question is not given yet."""
        self.failing = []
        """Explorer's samples that fail once, by question and index."""

    def questions(self, stage):
        return [question for name, question, _ in self.sent if name == stage]

    def position(self, stage, question):
        return next(at for at, (name, asked, _) in enumerate(self.sent) if (name, asked) == (stage, question))


@pytest.fixture
def script(monkeypatch):
    whole.FAULTS.mend()
    script, complete = Script(), whole.Engine.complete

    async def scripted(engine, request, deliver):
        stage, [sample] = engine._stage, request.sample_indexes
        script.sent.append((stage, request.question, sample))
        for _ in range(PATIENCE):
            if stage == "synthesize" or not script.is_held(request.question):
                break
            await asyncio.sleep(0.01)
        if stage == "explore" and (request.question, sample) in script.failing:
            script.failing.remove((request.question, sample))
            deliver(0, Failure(FailureCode.TIMEOUT, "too late", whole.datetime.now(whole.UTC), 1))
        else:
            await complete(engine, request, deliver)

    monkeypatch.setattr(whole.Engine, "complete", scripted)
    return script


def streamed(experiment, folder):
    """One run of both stages beside each other, each in one shard; samples shown, by question."""
    experiment = experiment.model_copy(update={"execution": Execution()})
    with open_engines():
        run = resolve(experiment, Store(str(folder)))
        planned = shards_by_stage(run.stages, run.problems)
        assert [len(shards) for shards in planned] == [1, 1]
        complaints = whole.streaming(planned, TriedTwice())
    assert not any(complaints), complaints
    explored, synthesized = (plans_of(stage, run.problems) for stage in run.stages)
    assert [len(plan.wanted) for plan in (*explored, *synthesized)] == [5] * 6 + [2] * 6
    assert not any(lacking_of(stage.index, plans_of(stage, run.problems)) for stage in run.stages)
    return {
        plan.problem.question: sorted(candidate.sample_index for candidate in plan.references)
        for plan in synthesized
    }


class TriedTwice(random.Random):
    """As the dice that decide how often a shard is tried."""

    def choice(self, options):
        return options[-1]


@pytest.mark.parametrize("order", ["shuffled", "by_vote"])
def test_first_problem_is_synthesized_while_others_of_its_shard_are_explored(
    experiment, script, tmp_path, order
):
    script.is_held = lambda asked: asked != "q0" and not script.questions("synthesize")
    references = experiment.synthesizer.references.model_copy(update={"order": order})
    synthesizer = experiment.synthesizer.model_copy(update={"references": references})
    chosen = streamed(experiment.model_copy(update={"synthesizer": synthesizer}), tmp_path)
    assert script.position("synthesize", "q0") < 30 / 2
    assert Counter(stage for stage, *_ in script.sent) == {"explore": 30, "synthesize": 12}
    assert chosen == {question: [0, 1, 2] for question in chosen}


def test_problem_with_a_failure_among_its_references_waits_for_the_retry(experiment, script, tmp_path):
    """Others do not; and what it is shown is what it would have been shown without the failure."""
    script.failing = [("q1", 1)]
    script.is_held = lambda asked: asked == "q5" and "q0" not in script.questions("synthesize")
    chosen = streamed(experiment, tmp_path)
    retry = script.sent.index(("explore", "q1", 1), script.sent.index(("explore", "q1", 1)) + 1)
    assert script.position("synthesize", "q0") < retry < script.position("synthesize", "q1")
    assert chosen == {question: [0, 1, 2] for question in chosen}


def test_failure_behind_the_references_is_not_waited_for(experiment, script, tmp_path):
    script.failing = [("q1", 4)]
    script.is_held = lambda asked: asked == "q5" and "q1" not in script.questions("synthesize")
    streamed(experiment, tmp_path)
    retry = script.sent.index(("explore", "q1", 4), script.sent.index(("explore", "q1", 4)) + 1)
    assert script.position("synthesize", "q1") < retry


def test_no_prompt_is_made_of_an_answer_that_is_gone(experiment, tmp_path):
    """The journal that held it could not become a part: what was decided by it is not sent with a gap."""
    run = resolve(experiment, Store(str(tmp_path)))
    (explorer, reader), problems = run.stages, run.problems[:1]
    journal = explorer.index.opened()
    [explored] = plans_of(explorer, problems)
    for trace in explored.wanted:
        journal.append({**trace._asdict(), "status": "ok", "answer": "a", "started_at": 0, "num_tries": 1})
    plans = plans_of(reader, problems, {})
    assert len(list(jobs_of(reader, plans))) == 1
    journal.close()
    explorer.known.forget(journal)
    with pytest.raises(LostPart, match="run the same command again"):
        list(jobs_of(reader, plans))
