"""The command line as a person uses it: every command, its help, its errors, Ctrl-C."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import psutil
import pytest
from endpoints.in_a_row import InARow
from typer.main import get_command
from typer.testing import CliRunner

import configs
import tasks
import warehouse
from configs.loading import presets
from flows.cli import app

A2R = str(Path(sys.executable).with_name("a2r"))
COMMANDS = (
    "run",
    "explore",
    "synthesize",
    "grade",
    "load",
    "sql",
    "show",
    "runs",
    "check",
    "compare",
    "report",
    "verify",
    "compact",
    "sweep",
    "prune",
    "import",
    "export",
    "up",
    "view",
    "train",
    "study",
    "presets",
    "init",
    "reference",
    "schema",
)
DEAD = """
name: dead
benchmark: {source: file, path: problems.jsonl, question: problem, answer: answer}
explorer:
  model: {id: small}
  engine: {kind: openai, base_url: "http://127.0.0.1:9/v1", patience_seconds: 1, retries: 0}
  sampling: {n: 2}
"""
SMALL = ("--set", "benchmark.count=12", "--set", "explorer.sampling.max_tokens=40")


def a2r(*arguments, code=0, **options):
    done = subprocess.run(
        [A2R, *map(str, arguments)], capture_output=True, text=True, timeout=240, check=False, **options
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def in_a_row(server, tmp_path_factory):
    """The same where a command's process is not looked at: all share one, which reports to the shared server."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "A2R_"))}
    ours = {"PREFECT_HOME": str(tmp_path_factory.mktemp("prefect")), "PREFECT_API_URL": server.api_url}
    with InARow(env=kept | ours) as row:
        yield row


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    return tmp_path_factory.mktemp("empty")


@pytest.fixture
def nothing_stored(in_a_row, empty, monkeypatch):
    """The same in an empty folder, which stays so."""
    monkeypatch.chdir(empty)
    return in_a_row


def test_help_names_every_command_and_each_has_an_example():
    shown = a2r("--help").stdout
    assert set(COMMANDS) == set(get_command(app).commands)
    for command in COMMANDS:
        assert re.search(rf"\b{command}\b", shown)
        assert f"Example: a2r {command}" in CliRunner().invoke(app, [command, "--help"]).output


def test_version_is_that_of_the_package():
    assert CliRunner().invoke(app, ["--version"]).output == f"a2r {version('a2r')}\n"


def test_only_the_commands_decide_about_exit_codes():
    """Printing is an import contract and a lint rule; a built-in exception is neither."""
    for package in (configs, warehouse, tasks):
        for file in Path(package.__path__[0]).rglob("*.py"):
            assert "SystemExit" not in file.read_text(encoding="utf-8"), file


def test_presets_are_listed(nothing_stored):
    listed = nothing_stored("presets").stdout
    assert all(name in listed for name in presets())


# Over 20 s: the first run starts a server that makes its database.
def test_quickstart_from_nothing_then_again_then_asked(alone, in_a_row):
    first = json.loads(a2r("run", "quickstart", *SMALL, "--json").stdout)
    assert first["status"] == "complete"
    assert first["stages"]["explore"]["generated"] == 48
    assert set(first["metrics"]["mean@1"]) == {"estimate", "low", "high", "n", "wanted", "undecided"}
    again = in_a_row("run", "quickstart", *SMALL)
    assert "no engine was called" in again.stdout
    assert "a2r-cons@2" in again.stdout
    rows = json.loads(
        in_a_row(
            "sql", "select count(*) as n from traces where answer like '%boxed%'", "--format", "json"
        ).stdout
    )
    assert rows[0]["n"] > 40
    assert in_a_row("sql", "select 1 as one", "--format", "csv").stdout.split() == ["one", "1"]
    in_a_row("sql", "from leaderboard", "--format", "parquet", "--output", alone / "board.parquet")
    assert (alone / "board.parquet").read_bytes()[:4] == b"PAR1"
    shown = in_a_row("show", "sum3-0-0000").stdout
    assert shown.count("explore") == 4 and shown.count("synthesize") == 2
    assert "no damage found" in in_a_row("verify").stdout
    compacted = json.loads(in_a_row("compact", "--json", "--fewest", 2).stdout)
    assert compacted["before"]["traces"]["files"] > compacted["after"]["traces"]["files"] == 2
    assert "no engine was called" in in_a_row("run", "quickstart", *SMALL).stdout
    oldest = json.loads(in_a_row("prune", "--keep-last", 1, "--json").stdout)
    assert (len(oldest["runs"]), oldest["traces"]) == (2, 0), "the kept run wants the same traces"
    in_a_row("prune", "--keep-last", 1, "--apply")
    assert in_a_row("sql", "select count(*) from runs", "--format", "csv").stdout.split()[1] == "1"
    assert "no damage found" in in_a_row("verify").stdout
    (alone / "a2r-data" / "catalog.duckdb").unlink()
    assert "rebuilt" in in_a_row("load").stdout


def test_stages_one_by_one(alone, in_a_row):
    assert json.loads(in_a_row("explore", "quickstart", *SMALL, "--json").stdout)["status"] == "complete"
    made = json.loads(in_a_row("synthesize", "quickstart", *SMALL, "--json").stdout)
    assert made["stages"]["synthesize"]["generated"] == 24
    graded = json.loads(in_a_row("grade", "quickstart", *SMALL, "--json").stdout)
    assert graded["metrics"]["a2r"]["n"] == 12


def test_run_that_got_nothing_does_not_say_that_nothing_was_missing(alone, in_a_row):
    (alone / "problems.jsonl").write_text('{"problem": "What is 7 plus 6 ?", "answer": "13"}\n')
    (alone / "dead.yaml").write_text(DEAD)
    told = in_a_row("run", "dead.yaml", code=1)
    assert "Not made: 2 of 2 explore traces. Run the same command again" in told.stderr
    assert "Nothing was missing" not in told.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "quikstart"), "did you mean quickstart?"),
        (("run", "nowhere.yaml"), "nowhere.yaml does not exist"),
        (("run", "quickstart", "--set", "explorer.sampling.temprature=1"), "did you mean temperature?"),
        (("run", "quickstart", "--set", "synthesizer.references.count=9"), "explorer.sampling.n is 4"),
        (("run", "quickstart", "--set", "nonsense"), "is not key=value"),
        (("run", "quickstart", "--root", "/dev/null/x"), "cannot be written to"),
        (("sql", "select 1"), "has no catalog yet"),
        (("show", "x"), "has no catalog yet"),
        (("report",), "has no catalog yet"),
        (("verify",), "holds nothing"),
        (("load",), "holds no results"),
        (("compact",), "holds nothing"),
        (("prune",), "Say which runs go"),
        (("prune", "--older-than", "3 weeks"), "give hours, days or weeks"),
        (("export", "latest", "--to", "out"), "has no catalog yet"),
        (("import", "nowhere.jsonl"), "nowhere.jsonl does not exist"),
    ],
)
def test_mistake_is_one_line_with_the_next_step(nothing_stored, arguments, message):
    told = nothing_stored(*arguments, code=2).stderr
    assert message in told
    assert "Traceback" not in told


def test_wrong_sql_is_told_and_unknown_problem_names_some(alone, in_a_row):
    in_a_row("run", "quickstart", *SMALL, "--limit", "2")
    assert "nosuch" in in_a_row("sql", "from nosuch", code=2).stderr
    assert "sum3-0-0000" in in_a_row("show", "zzz", code=2).stderr
    assert "read-only" in in_a_row("sql", "drop schema store cascade", code=2).stderr


def slow_experiment(endpoint, benchmark_file, folder):
    endpoint.latency = 0.1
    path = folder / "slow.yaml"
    path.write_text(
        f"name: slow\nbenchmark: {{source: file, path: {benchmark_file}, question: problem, id: id}}\n"
        f"explorer:\n  model: {{id: small}}\n"
        f"  engine: {{kind: openai, base_url: '{endpoint.base_url}', concurrency: 4, samples_per_request: 1}}\n"
        "  sampling: {n: 20}\n"
    )
    return path


def started(path, endpoint, num_requests, **environment):
    """A run in a process of its own, under way."""
    process = subprocess.Popen(
        [A2R, "run", str(path)],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    for _ in range(4800):
        if len(endpoint.requests) >= num_requests:
            return process
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    raise AssertionError("the run never began")


# Over 20 s: four runs are ended, one with a server of its own as in test_terminal.py, and a fifth finishes.
def test_run_that_is_stopped_or_killed_loses_only_what_was_in_flight(
    serverless, endpoint, benchmark_file, server, in_a_row
):
    path = slow_experiment(endpoint, benchmark_file, serverless)
    reports = {"PREFECT_API_URL": server.api_url}

    process = started(path, endpoint, 37, **reports)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)

    process = started(path, endpoint, 77, **reports)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Run the same command again" in errors
    assert "Traceback" not in errors

    process = started(path, endpoint, 115)
    begun = psutil.Process(process.pid).children(recursive=True)
    assert begun, "Prefect's temporary server"
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 143
    _, alive = psutil.wait_procs(begun, timeout=30)
    for left in alive:
        left.kill()
    assert alive == []

    process = started(path, endpoint, 151, **reports)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)

    summary = json.loads(in_a_row("run", path, "--json").stdout)
    assert summary["status"] == "complete"
    assert len(endpoint.requests) <= 200 + 4 * 4, "at most those in flight are sent again"
    assert "no damage" in in_a_row("verify").stdout
    counted = "select count(*) n, count(distinct trace_id) m from traces"
    [row] = json.loads(in_a_row("sql", counted, "--format", "json").stdout)
    assert row == {"n": 200, "m": 200}


def disk(*options):
    """A command line that runs a2r on a small or read-only disk of its own, or None where that is refused."""
    prefix = ["unshare", "--user", "--map-root-user", "--mount"]
    try:
        probe = subprocess.run(
            [*prefix, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, check=False
        )
    except FileNotFoundError:
        return None
    script = f'mount -t tmpfs -o {",".join(options)} tmpfs /mnt && exec "$@"'
    return [*prefix, "sh", "-c", script, "sh"] if probe.returncode == 0 else None


def test_full_disk_keeps_what_fits_and_says_what_to_do(home, endpoint, benchmark_file):
    command = disk("size=120k")
    if command is None:
        pytest.skip("no user namespaces here")
    endpoint.answer = lambda prompt, seed: f"{seed} " * 400 + "\\boxed{1}"
    path = slow_experiment(endpoint, benchmark_file, home)
    endpoint.latency = 0
    done = subprocess.run(
        [*command, A2R, "run", path, "--root", "/mnt/root"], capture_output=True, text=True, check=False
    )
    assert done.returncode in {1, 2}, done.stderr
    assert "No space left on device" in done.stderr
    assert "everything stored so far is kept" in done.stderr
    assert "Traceback" not in done.stderr


def test_read_only_disk_is_told(home):
    command = disk("ro")
    if command is None:
        pytest.skip("no user namespaces here")
    done = subprocess.run(
        [*command, A2R, "run", "quickstart", "--root", "/mnt"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert "Read-only file system; make it writable or choose another with --root" in done.stderr
