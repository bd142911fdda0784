"""A run graded by a cascade: who decided is in SQL, what the judge cost is counted, agreement is shown."""

from endpoints.scripted import answered
from rich.console import Console

from flows.commands.printing.runs import print_summary
from tasks.analysis.queries import query
from tasks.analysis.report.page import write_report
from warehouse.store import Store


def test_agreement_and_cost_of_a_cascade_are_the_runs(evaluated, endpoint, tmp_path, capsys):
    """The judge is asked about every answer that `math` decided, and finds all of them right."""
    endpoint.answer = lambda prompt, seed: (
        "Verdict: correct" if "Verdict" in prompt else answered(prompt, seed)
    )
    judge = {
        "kind": "judge",
        "model": {"id": "big"},
        "engine": {"kind": "openai", "base_url": endpoint.base_url},
    }
    cascade = {"kind": "cascade", "of": ["math", judge]}
    plain = evaluated(grader=cascade)
    assert (plain["status"], plain["agreement"]) == ("complete", [])
    assert "judge" not in plain["cost"], "nothing had to be judged"
    num_before = endpoint.num_samples
    summary = evaluated(grader=cascade | {"check_share": 1.0})
    assert endpoint.num_samples > num_before
    assert summary["metrics"] == plain["metrics"]
    assert summary["cost"]["judge"]["tokens"] > 0
    root = str(tmp_path / "root")
    [row] = [row for row in summary["agreement"] if row["stage"] == "explore"]
    assert (row["grader"][:4], row["other_grader"][:5], row["decided_by"]) == ("math", "judge", row["grader"])
    attempts = summary["verdicts"]["explore"]["decided"]
    right = query(
        "select count(*) filter (where is_correct) n from samples where stage = 'explore' and run_id = ?",
        root,
        [summary["run_id"]],
    ).to_pylist()[0]["n"]
    assert (row["num_both"], row["num_agreed"]) == (attempts, right)
    deciders = query("select distinct decided_by, is_by_hand from samples", root).to_pylist()
    assert deciders == [{"decided_by": row["grader"], "is_by_hand": False}]
    print_summary(summary, Console(width=250), "root")
    printed = capsys.readouterr().out
    assert (
        f"explore: {row['grader']} and {row['other_grader']} agree on {right} of {attempts} answers"
        in printed
    )
    write_report(Store(root), [summary["run_id"]], tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "Agreement of graders" in page
    assert f"{row['grader']}, {row['other_grader']}" in page
    num_asked = endpoint.num_samples
    evaluated(grader=cascade | {"check_share": 1.0})
    assert endpoint.num_samples == num_asked
