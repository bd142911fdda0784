"""Recorded outputs and their scores, as the engine delivers them."""

import asyncio

import orjson
import pytest

from configs.engines import ReplaySettings
from configs.models import Model
from configs.sampling import Sampling
from tasks.engines.protocol import EngineError, Failure, Request
from tasks.engines.replay.engine import ReplayEngine
from tasks.engines.replay.kind import recording_digest


def settings(tmp_path, *rows, **columns):
    path = tmp_path / "recorded.jsonl"
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    return ReplaySettings(kind="replay", path=str(path), **columns)


def delivered(form, num_samples):
    async def run():
        engine, held = ReplayEngine(Model(id="m"), form), {}
        await engine.start()
        request = Request(
            (), Sampling(), tuple(range(num_samples)), "what is  1+1", tuple(range(num_samples))
        )
        await engine.complete(request, held.__setitem__)
        await engine.close()
        return [held[place] for place in sorted(held)]

    return asyncio.run(run())


ROW = {"question": "what is 1+1", "outputs": ["<think>hm</think>2", "3"], "reward": [[1.5], None]}


def test_outputs_come_with_their_scores_and_missing_ones_fail(tmp_path):
    first, second, third = delivered(settings(tmp_path, ROW, scores="reward"), 3)
    assert (first.reasoning, first.answer, first.score) == ("hm", "2", 1.5)
    assert (second.answer, second.score) == ("3", None)
    assert isinstance(third, Failure)


def test_scores_are_none_unless_a_column_is_named(tmp_path):
    assert [done.score for done in delivered(settings(tmp_path, ROW), 2)] == [None, None]


@pytest.mark.parametrize("reward", [[1.0], [1.0, "high"], [True, 1.0], [[1.0, 2.0], 3.0]])
def test_scores_that_fit_no_output_are_refused(tmp_path, reward):
    with pytest.raises(EngineError, match=r"row 0: column reward \(engine\.scores\)"):
        delivered(settings(tmp_path, ROW | {"reward": reward}, scores="reward"), 2)


def test_only_named_columns_are_part_of_the_identity(tmp_path):
    plain, scored = settings(tmp_path, ROW), settings(tmp_path, ROW, scores="reward")
    assert recording_digest(plain) != recording_digest(scored)
    assert recording_digest(plain) == recording_digest(settings(tmp_path, ROW))
