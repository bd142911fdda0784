"""What the commands that need no flow print and exit with, over a small stored root; and the values behind them."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from configs.schema import UserError
from flows.cli import app
from flows.commands.printing.runs import print_summary
from flows.commands.process import print_user_errors
from flows.commands.run_flow import run_flow
from tasks.analysis.queries import problem_traces, query
from warehouse.loader import load
from warehouse.store import Store

A2R = Path(sys.executable).with_name("a2r")
STORED = Path(__file__).parents[1] / "data/stored"
SUMS = json.loads((STORED / "golden/sums.json").read_text())


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "root"
    shutil.copytree(STORED / "root", folder)
    return folder


def command_over(root):
    """A function that runs a command over the root; what it printed on stdout."""

    def run(*arguments, code=0):
        done = CliRunner().invoke(app, [*arguments, "--root", str(root)])
        assert done.exit_code == code, done.output
        return done.stdout

    return run


@pytest.fixture
def a2r(root):
    return command_over(root)


@pytest.fixture
def loaded(a2r, root):
    assert a2r("load").startswith("rebuilt from ")
    assert a2r("load").startswith("new: 0 files, 0 rows")
    return str(root)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A loaded copy for tests that read: it stays as it is."""
    folder = tmp_path_factory.mktemp("kept") / "root"
    shutil.copytree(STORED / "root", folder)
    load(Store(str(folder)))
    return str(folder)


@pytest.fixture
def read(kept):
    return command_over(kept)


def test_verify_names_what_is_damaged_and_exits_with_1(a2r, root):
    assert a2r("verify") == f"{root}: no damage found.\n"
    part = next(root.glob("traces/**/part-*.parquet"))
    part.write_bytes(part.read_bytes()[:-9])
    assert str(part.relative_to(root)) in a2r("verify", code=1)


def test_problem_is_a_value_and_a_page_of_panels(read, kept):
    run_id = SUMS["run_id"]
    [(problem_id, gold)] = (
        query(
            "select problem_id, any_value(gold) from samples where run_id = ? group by all order by 1 limit 1",
            kept,
            [run_id],
        )
        .to_pandas()
        .itertuples(index=False)
    )
    problem = problem_traces(problem_id, kept, run_id)
    assert (problem.run_id, problem.gold) == (run_id, gold)
    assert {trace.stage for trace in problem.traces} == set(SUMS["stages"])
    shown = read("show", problem_id, "--run", run_id, "--full")
    assert f"problem {problem_id}" in shown and f"gold: {gold}" in shown
    assert shown.count(" tokens · seed ") == len(problem.traces)
    with pytest.raises(UserError, match=f"There is no problem nosuch .* there are: {problem_id}"):
        problem_traces("nosuch", kept)


def test_query_is_a_table_and_its_mistakes_are_sentences(kept):
    table = query("select count(*) as n from runs", kept)
    assert table.to_pylist() == [{"n": 4}]
    with pytest.raises(UserError, match=r"SQL: .*nosuch"):
        query("from nosuch", kept)
    with pytest.raises(UserError, match="read-only"):
        query("drop schema store cascade", kept)


def test_rows_are_written_in_every_format(read, kept, tmp_path):
    statement = "select experiment from runs order by 1"
    assert "judged" in read("sql", statement)
    for name in ("rows.csv", "rows.json", "rows.parquet"):
        read("sql", statement, "--format", name[5:], "--output", str(tmp_path / name))
        assert query(f"select count(*) from '{tmp_path / name}'", kept)[0].to_pylist() == [4]
    with pytest.raises(UserError, match="name it with --output"):
        CliRunner().invoke(
            app, ["sql", statement, "--format", "parquet", "--root", kept], catch_exceptions=False
        )


def test_rows_as_csv_go_behind_what_a_file_holds_already(kept, tmp_path):
    command = [A2R, "sql", "from range(2) t(i)", "--format", "csv", "--root", kept]
    with (tmp_path / "rows.txt").open("w") as file:
        file.write("before\n")
        file.flush()
        subprocess.run(command, stdout=file, check=True)
    assert (tmp_path / "rows.txt").read_text().split() == ["before", "i", "0", "1"]


def test_pruning_is_listed_before_it_is_done(a2r, loaded):
    assert a2r("prune", "--experiment", "nosuch") == "No run matches; nothing would be removed.\n"
    listed = a2r("prune", "--experiment", "sums")
    assert SUMS["run_id"] in listed and "frees about" in listed and "--apply removes it permanently" in listed
    planned = json.loads(a2r("prune", "--experiment", "sums", "--json"))
    assert (planned["runs"], planned["is_applied"]) == ([SUMS["run_id"]], False)
    assert "freed" in a2r("prune", "--experiment", "sums", "--apply")
    assert query("select count(*) as n from runs", loaded).to_pylist() == [{"n": 3}]
    assert a2r("prune", "--experiment", "sums", "--apply") == "No run matches; nothing was removed.\n"


def test_compaction_counts_files_by_kind(a2r, loaded):
    before = json.loads(a2r("compact", "--json", "--fewest", "2"))
    assert set(before["before"]) == {"traces", "grades", "problems"}
    assert set(before["after"]["traces"]) == {"files", "bytes"}
    assert "compacted" in a2r("compact")


def test_export_and_report_say_what_they_wrote(read, kept, tmp_path):
    said = read("export", "sums", "--to", str(tmp_path / "out"), "--format", "csv")
    [row] = query("select count(*) as n from samples where run_id = ?", kept, [SUMS["run_id"]]).to_pylist()
    assert said == f"{row['n']} rows, each a trace, of {SUMS['run_id']} → {tmp_path / 'out'}\n"
    said = read("report", "--output", str(tmp_path / "page.html"))
    assert said.startswith(f"{tmp_path / 'page.html'}: ") and "4 runs" in said
    assert len(json.loads(read("report", "--json"))["runs"]) == 4


def test_check_says_what_is_missing_and_whether_engines_answer(a2r):
    said = a2r("check", "quickstart", "--limit", "2")
    assert "quickstart: 2 problems" in said and "explore: the onnx engine answers." in said
    found = json.loads(a2r("check", "quickstart", "--limit", "2", "--json"))
    assert found["stages"]["explore"]["missing"] == found["stages"]["explore"]["wanted"] == 8
    assert found["stages"]["synthesize"]["context"]["fits"] is True


@pytest.mark.parametrize("command", [("sweep", "references", "--dry-run"), ("check", "references")])
def test_dry_run_or_check_of_a_sweep_is_a_row_per_cell(a2r, command):
    said = a2r(*command, "--limit", "1")
    assert "shared traces counted once" in said
    assert len([line for line in said.splitlines() if "count=" in line]) > 1


def test_summary_is_printed_with_its_next_steps(capsys):
    print_summary(SUMS, Console(width=200), "some-root")
    printed = capsys.readouterr().out
    assert all(name in printed for name in (*SUMS["metrics"], *SUMS["stages"]))
    assert f"run_id = '{SUMS['run_id']}'\" --root some-root" in printed


@dataclass(frozen=True)
class Outcome:
    status: str
    numbers: tuple[int, ...] = (1, 2)


@pytest.mark.parametrize(("status", "code"), [("complete", 0), ("incomplete", 1)])
def test_outcome_may_be_any_value_and_its_status_decides_the_exit_code(capsys, status, code):
    shown = []

    def run(as_json):
        run_flow(
            lambda: pytest.fail("its flow is not needed"),
            "root",
            as_json=as_json,
            show=lambda value, *_: shown.append(value),
            stored=lambda: Outcome(status),
        )

    for as_json in (True, False):
        if code:
            with pytest.raises(SystemExit) as stop:
                run(as_json)
            assert stop.value.code == code
        else:
            run(as_json)
    printed = json.loads(capsys.readouterr().out)
    assert shown == [printed] == [{"status": status, "numbers": [1, 2]}]


def test_mistakes_exit_with_2_and_ctrl_c_with_130(capsys):
    def mistaken():
        raise UserError("a [sentence] with brackets")

    def interrupted():
        raise KeyboardInterrupt

    for command, code in ((mistaken, 2), (interrupted, 130)):
        with pytest.raises(SystemExit) as stop:
            print_user_errors(command)
        assert stop.value.code == code
    assert capsys.readouterr().err == "error: a [sentence] with brackets\n"
