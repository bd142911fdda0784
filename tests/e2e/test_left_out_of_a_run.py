"""A run of which a judge decided too little is incomplete, and says so wherever its numbers are shown."""

import pytest
from endpoints.scripted import answered
from rich.console import Console

from flows.commands.printing.runs import print_summary
from tasks.analysis.queries import query
from tasks.executor.errors import FlowIncomplete
from tasks.publish import summarize
from warehouse.store import Store


def test_undecided_judge_makes_the_run_incomplete_with_reason_and_remedy(
    evaluated, endpoint, tmp_path, capsys
):
    """Of its replies, those with an even seed hold no verdict."""

    def answer(prompt, seed):
        if "Verdict" not in prompt:
            return answered(prompt, seed)
        return "Verdict: correct" if seed % 2 else "Hard to say."

    endpoint.answer = answer
    engine = {"kind": "openai", "base_url": endpoint.base_url}
    judge = {"kind": "judge", "model": {"id": "big"}, "engine": engine}
    with pytest.raises(FlowIncomplete) as raised:
        evaluated(grader=judge)
    summary = raised.value.summary
    counts = summary["verdicts"]["explore"]
    assert counts["undecided"] > 0
    assert counts["decided"] + counts["undecided"] == counts["answers"] == 40
    text = str(raised.value)
    assert f"explore: {counts['undecided']} of 40 answers" in text
    assert 'do not say "Verdict: …"; raise grader.sampling.max_tokens' in text
    assert "a2r grade --override FILE" in text
    assert "make only what is missing" not in text, "running it again would ask nothing again"
    assert summary["status"] == "incomplete"
    assert summary == summarize(Store(str(tmp_path / "root")), summary["run_id"])
    print_summary(summary, Console(width=200), "root")
    printed = capsys.readouterr().out
    assert (
        f"explore: {counts['undecided']} of 40 answers have no verdict and are in no number above." in printed
    )
    board = "select status, num_grader_errors from leaderboard where stage = 'explore'"
    held = query(board, str(tmp_path / "root"))
    assert held.to_pylist() == [{"status": "incomplete", "num_grader_errors": counts["undecided"]}]

    allowed = evaluated(grader=judge, max_undecided=1.0)
    assert (allowed["status"], allowed["verdicts"]) == ("complete", summary["verdicts"])
