"""What a server says reaches the store checked, and a run whose endpoint fails keeps its numbers right."""

import itertools
import os
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from flows.cli import app
from tasks.executor.errors import FlowIncomplete
from warehouse.catalog import connect
from warehouse.integrity import verify
from warehouse.journal import Journal
from warehouse.store import Store

CASES = Path(__file__).parents[1] / "cases/endpoints"


def case(name, status=200):
    return status, (CASES / name).read_bytes(), "application/json"


@pytest.fixture
def root(tmp_path):
    return Store(str(tmp_path / "root"))


def asked(root, query):
    with connect(root) as catalog:
        return catalog.execute(query).fetchall()


def of_explorer(*faults, after=0):
    """The faults by turns in place of every answer of the explorer's but the first ones."""
    num_seen = itertools.count(1)

    def replaced(_, body):
        if body["model"] != "small" or (number := next(num_seen)) <= after:
            return None
        return faults[number % len(faults)]

    return replaced


def test_odd_replies_are_stored_and_the_root_goes_on(evaluated, endpoint, root):
    """Counts of tokens as floats and as fractions, half a pair of surrogates, content in parts."""
    names = ("usage-float.json", "usage-fraction.json", "lone-surrogate.json", "content-parts.json")
    endpoint.fault = of_explorer(*map(case, names))
    assert evaluated()["status"] == "complete"
    tokens = (
        "select num_prompt_tokens, count(*) from traces where stage = 'explore' group by all order by all"
    )
    assert asked(root, tokens) == [(12, 30), (None, 10)], "of a fraction none is known"
    assert list(verify(root)) == []
    assert evaluated()["stages"]["explore"]["reused"] == 40


def test_journal_that_bricked_a_root_is_recovered(evaluated, endpoint, root):
    """As a run of an earlier version left it: a fraction where a count belongs, and a line of nothing."""
    evaluated(synthesizer=None)
    recipe = next(Path(root.root).glob("traces/stage=explore/*/recipe.json"))
    rows = asked(
        root,
        "select trace_id, problem_id, problem_digest, sample_index, seed, answer from traces order by all",
    )
    for file in recipe.parent.glob("*.parquet"):
        file.unlink()
    journal = Journal(root, root.read_recipe("explore", recipe.parent.name.partition("=")[2]))
    names = ("trace_id", "problem_id", "problem_digest", "sample_index", "seed", "answer")
    for row in rows:
        line = dict(zip(names, row, strict=True)) | {
            "status": "ok",
            "num_prompt_tokens": 12.5,
            "reference_ids": [],
        }
        os.write(journal._file, orjson.dumps(line) + b"\n")
    os.write(journal._file, b"\x00" * 64 + b"\n")
    journal.close()
    assert {damage.path for damage in verify(root)} >= {f"journal/{journal.path.name}"}
    endpoint.reset()
    assert evaluated(synthesizer=None)["status"] == "complete"
    assert endpoint.by_model["small"] == 0, "every trace was in the journal"
    assert [damage.path for damage in verify(root)] == [f"journal/{journal.path.stem}.unreadable"]


def test_other_names_of_the_limit_are_truncations(evaluated, endpoint, root):
    endpoint.fault = of_explorer(case("cut-model-length.json"), after=20)
    summary = evaluated()
    assert summary["stages"]["explore"]["truncated"] == 20
    assert asked(root, "select distinct status from traces where finish_reason = 'model_length'") == [
        ("truncated",)
    ]


def test_what_is_no_answer_is_an_error_row_that_is_asked_again(evaluated, endpoint, root):
    names = ("interrupted.json", "choice-with-error.json", "choices-empty.json", "choices-null-error.json")
    endpoint.fault = of_explorer(*map(case, names), after=32)
    settings = {"explorer__engine__retries": 0, "explorer__engine__patience_seconds": 0.1}
    with pytest.raises(FlowIncomplete):
        evaluated(**settings)
    assert asked(
        root, "select status, count(*) from traces where stage = 'explore' group by 1 order by 1"
    ) == [
        ("error", 8),
        ("ok", 32),
    ]
    endpoint.fault = None
    endpoint.reset()
    assert evaluated(**settings)["status"] == "complete"
    assert endpoint.by_model["small"] == 8


def test_credit_that_is_used_up_stops_the_stage_and_nothing_is_synthesized_from_less(
    evaluated, endpoint, root
):
    endpoint.fault = of_explorer(case("credit-used-up.json", 402), after=21)
    with pytest.raises(FlowIncomplete, match="Insufficient Balance") as failure:
        evaluated(explorer__engine__concurrency=1)
    assert "credit" in str(failure.value)
    assert asked(root, "select count(*) from traces where status = 'error'") == [(0,)]
    prompts = [body["messages"][-1]["content"] for body in endpoint.requests if body["model"] == "big"]
    assert {prompt.count("So it is") for prompt in prompts} <= {4}
    num_made = failure.value.summary["stages"]["explore"]["generated"]
    endpoint.fault = None
    endpoint.reset()
    mended = evaluated(explorer__engine__concurrency=1)
    assert mended["status"] == "complete"
    assert endpoint.by_model["small"] == 40 - num_made
    undisturbed = evaluated(root=f"{root.root}-undisturbed")
    assert mended["metrics"] == undisturbed["metrics"]


def test_flagged_prompt_is_one_refusal_and_its_problem_goes_on(evaluated, endpoint, root):
    flagged = case("flagged-403.json", 403)
    endpoint.fault = lambda _, body: (
        flagged if body["model"] == "small" and "What is 3 plus" in body["messages"][-1]["content"] else None
    )
    with pytest.raises(FlowIncomplete, match="flagged by moderation"):
        evaluated()
    assert asked(
        root, "select problem_id, error_code, count(*) from traces where status = 'error' group by all"
    ) == [("s3", "content_filter", 4)]
    assert asked(root, "select count(*) from traces where stage = 'synthesize' and status = 'ok'") == [(20,)]


def test_show_prints_no_escape_sequence(evaluated, endpoint, root):
    endpoint.answer = lambda *_: "\x1b[2J\x1b]0;title\x07 \\boxed{8} \x9b31m"
    evaluated(synthesizer=None)
    shown = CliRunner().invoke(app, ["show", "s1", "--root", root.root])
    assert shown.exit_code == 0
    assert "boxed" in shown.output
    assert not set(shown.output) & {"\x1b", "\x07", "\x9b"}
