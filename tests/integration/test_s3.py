"""A root on an object store that others write to, too: what they publish is seen at once, and little is asked for."""

import os
import random
import re
import shlex
import shutil
import uuid
from collections import Counter
from pathlib import Path

import made_run
import pytest
import s3fs
from endpoints.object_stores import environment, served
from machines import go_on_elsewhere
from made_run import Made, finish_run, sums
from test_catalog import (
    RECIPE,
    asked,
    everything,
    identity,
    trace,
    write_grades,
    write_run,
    write_traces,
)
from typer.testing import CliRunner

from configs.experiment import Experiment
from flows.cli import app
from flows.commands.process import print_user_errors
from flows.commands.stored import PARTS, run_stored
from tasks import stage
from tasks.exchange.imports.importing import import_log
from tasks.exchange.imports.samples import Options
from tasks.run import resolve
from warehouse import catalog_copy, object_store
from warehouse.compaction import merge_parts, merges
from warehouse.index import RecipeIndex
from warehouse.integrity import verify
from warehouse.loader import load
from warehouse.problem_rows import ProblemRows
from warehouse.store import Store, traces_folder

FOLDER = traces_folder(RECIPE)
NUM_PARTS = 4
DATA = Path(__file__).parents[1] / "data"


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Of a server that speaks S3, in a process of its own: DuckDB asks it while it holds Python."""
    with served(tmp_path_factory.mktemp("s3")) as address:
        yield address


@pytest.fixture
def root(address, tmp_path, monkeypatch):
    """In a new bucket."""
    return new_root(address, tmp_path, monkeypatch)


@pytest.fixture
def busy_root(tmp_path, monkeypatch):
    """Of a server that is far away and refuses many requests."""
    with served(tmp_path / "s3", is_busy=True) as address:
        yield new_root(address, tmp_path, monkeypatch)


def new_root(address, tmp_path, monkeypatch):
    """In a new bucket; catalog, journals and locks are in a folder of the test."""
    for name, value in environment(address, tmp_path / "cache").items():
        monkeypatch.setenv(name, value)
    go_on_elsewhere(monkeypatch, tmp_path / "cache")
    s3fs.S3FileSystem.clear_instance_cache()
    bucket = f"b{uuid.uuid4().hex[:12]}"
    s3fs.S3FileSystem(use_listings_cache=False).mkdir(bucket)
    return f"s3://{bucket}/root"


@pytest.fixture
def requests(monkeypatch):
    """How often each operation was asked of the server."""
    counts, call = Counter(), s3fs.S3FileSystem._call_s3

    async def counted(self, method, *arguments, **named):
        counts[method] += 1
        return await call(self, method, *arguments, **named)

    monkeypatch.setattr(s3fs.S3FileSystem, "_call_s3", counted)
    return counts


@pytest.fixture
def fetched(monkeypatch):
    """Sizes of what was fetched of files."""
    sizes, fetch = [], s3fs.S3FileSystem._cat_file

    async def counted(self, *arguments, **named):
        data = await fetch(self, *arguments, **named)
        sizes.append(len(data))
        return data

    monkeypatch.setattr(s3fs.S3FileSystem, "_cat_file", counted)
    return sizes


def elsewhere(root, work):
    """What another machine does: it shares no cache of listings with this one."""
    s3fs.S3FileSystem.clear_instance_cache()
    result = work(Store(root))
    s3fs.S3FileSystem.clear_instance_cache()
    return result


def scatter(store):
    for number in range(NUM_PARTS):
        write_traces(store, trace(number, at=number), trace(number + 20, status="error", at=number))
        write_grades(store, (number, 0))
        write_run(store, f"r{number}", (number, 0), (number + 20, 0), status="incomplete")


def compact(store):
    for merge in merges(store, fewest=2):
        merge_parts(store, merge)


def test_parts_of_a_second_writer_are_seen_at_once(root):
    store = Store(root)
    write_traces(store, trace(1))
    index = RecipeIndex(store, RECIPE).refresh()
    for number in range(2, 6):
        elsewhere(root, lambda other, number=number: write_traces(other, trace(number)))
        assert index.refresh().has(identity(number, 0))
        assert len(store.names(FOLDER, prefix="part-")) == number


def test_readers_follow_a_compaction_elsewhere(root):
    store = Store(root)
    scatter(store)
    load(store)
    before = everything(store)
    index, problems = RecipeIndex(store, RECIPE).refresh(), ProblemRows(store)
    assert problems.read(RECIPE.key, ["p3"]).num_rows == 1
    elsewhere(root, compact)
    ids = [identity(number, 0) for number in range(NUM_PARTS)]
    assert index.rows(ids, ["answer"]).num_rows == NUM_PARTS
    assert problems.read(RECIPE.key, ["p3"]).num_rows == 1
    assert not load(store).is_rebuilt
    assert everything(store) == before
    assert list(verify(store)) == []


def test_load_of_two_machines_shows_the_same(root, tmp_path, monkeypatch):
    scatter(Store(root))
    load(Store(root))
    here = everything(Store(root))
    go_on_elsewhere(monkeypatch, tmp_path / "other")
    elsewhere(root, load)
    assert everything(Store(root)) == here
    assert asked(Store(root), "select count(*) from traces where status = 'ok'") == [(NUM_PARTS,)]


@pytest.fixture
def copied(monkeypatch):
    """Catalogs of any size are copied to the root."""
    monkeypatch.setattr(catalog_copy, "LEAST_BYTES", 0)


def test_new_machine_begins_with_the_catalog_of_another(copied, root, requests, tmp_path, monkeypatch):
    scatter(Store(root))
    load(Store(root))
    here = everything(Store(root))
    elsewhere(root, lambda other: write_traces(other, trace(9)))
    go_on_elsewhere(monkeypatch, tmp_path / "other")
    as_new()
    requests.clear()
    report = load(Store(root))
    assert (report.is_rebuilt, report.num_files, report.num_rows) == (False, 1, 1)
    assert requests["get_object"] <= 4, requests  # the copy, the new part, and the inventory of its recipe
    assert asked(Store(root), "select count(*) from traces where status = 'ok'") == [(NUM_PARTS + 1,)]
    assert everything(Store(root)) != here
    assert list(verify(Store(root))) == []


def test_copy_of_the_catalog_is_replaced_when_it_has_grown_and_never_believed_where_it_is_damaged(
    copied, root, tmp_path, monkeypatch
):
    def copies():
        return [file.path for file in Store(root).files("catalogs")]

    scatter(Store(root))
    load(Store(root))
    [first] = copies()
    elsewhere(root, lambda other: write_traces(other, trace(9)))
    load(Store(root))
    assert copies() == [first], "one row more is taken in by whoever begins with it"
    monkeypatch.setattr(catalog_copy, "_GROWTH", 0.5)
    elsewhere(root, lambda other: write_traces(other, trace(10)))
    load(Store(root))
    [second] = copies()
    assert second != first
    here = everything(Store(root))
    s3fs.S3FileSystem().pipe_file(f"{root.removeprefix('s3://')}/{second}", b"damaged")
    go_on_elsewhere(monkeypatch, tmp_path / "other")
    as_new()
    assert load(Store(root)).is_rebuilt
    assert everything(Store(root)) == here
    assert second not in copies() and len(copies()) == 1


def test_what_is_stored_is_known_by_few_requests_however_many_parts(root, requests):
    store = Store(root)
    scatter(store)
    load(store)
    requests.clear()
    index = RecipeIndex(Store(root), RECIPE).refresh()
    assert all(index.has(identity(number, 0)) for number in range(NUM_PARTS))
    assert requests.total() <= 4, requests  # two listings, and one file of the inventory


def as_new():
    """From now on this process knows of a root what a new one would: nothing but what is on the disk."""
    stage._index.cache_clear()
    object_store._SIZES.clear()
    s3fs.S3FileSystem.clear_instance_cache()


def made(name, problem, index):
    right = f"{problem.gold}, said {name} {index}"
    return Made(right, "correct", problem.gold)


def rerun(experiment, root):
    """The run of an experiment of which all is stored; None where something is missing."""
    as_new()
    return run_stored(Experiment.model_validate(experiment), root, None, PARTS["run"])


@pytest.mark.parametrize(("num_questions", "num_parts"), [(6, 4), (40, 30)])
def test_rerun_in_which_nothing_is_missing_asks_ten_times_at_most(
    root, requests, tmp_path, monkeypatch, num_questions, num_parts
):
    monkeypatch.setattr(made_run, "PART", 4)
    experiment = sums(tmp_path, [f"What is {n}?" for n in range(num_questions)])
    store = finish_run(experiment, root, "r0", made)
    assert len([file for file in store.files("traces") if "/part-" in file.path]) >= num_parts
    requests.clear()
    summary = rerun(experiment, root)
    assert summary["stages"]["explore"]["reused"] == 2 * num_questions
    assert requests.total() <= 10, requests


def test_fresh_machine_fetches_each_file_once(root, requests, tmp_path, monkeypatch):
    experiment = sums(tmp_path, [f"What is {n}?" for n in range(6)])
    finish_run(experiment, root, "r0", made)
    num_files = sum(1 for _ in Store(root).files())
    go_on_elsewhere(monkeypatch, tmp_path / "fresh")
    requests.clear()
    assert rerun(experiment, root)["stages"]["synthesize"]["reused"] == 6
    assert requests["get_object"] <= num_files + 3, requests  # and the new run's own
    assert requests["head_object"] == 0, requests


@pytest.mark.parametrize("is_compacted", [False, True])
def test_fresh_machine_plans_by_two_hundredths_of_the_bytes(
    root, fetched, tmp_path, monkeypatch, is_compacted
):
    """Of 3,000 texts of 8 KB, which zstd makes 2.6 KB, it is 0.67 % in 2 parts and 0.74 % in 60; 97 % without an inventory.

    The part that a compaction has just made is named by it, too.
    """
    monkeypatch.setattr(made_run, "PART", 100)
    chosen = random.Random(0)
    words = [chosen.randbytes(chosen.randint(2, 6)).hex() for _ in range(5000)]
    experiment = sums(tmp_path, [f"What is {n}?" for n in range(200)])
    store = finish_run(
        experiment, root, "r0", lambda *_: Made(" ".join(chosen.choices(words, k=900)), "correct")
    )
    if is_compacted:
        compact(store)
    num_bytes = sum(file.size for file in store.files())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "fresh"))
    as_new()
    fetched.clear()
    with Store(root).listed_once():
        run = resolve(Experiment.model_validate(experiment), Store(root))
        assert not any(stage.missing_of(each, run.problems) for each in run.stages)
    assert 0 < sum(fetched) <= 0.02 * num_bytes, (fetched, num_bytes)


def test_rerun_sees_what_a_second_writer_made_meanwhile(root, tmp_path, monkeypatch):
    monkeypatch.setattr(made_run, "PART", 4)
    questions = [f"What is {n}?" for n in range(6)]
    finish_run(sums(tmp_path, questions[:3]), root, "r0", made)
    experiment = sums(tmp_path, questions)
    assert rerun(experiment, root) is None, "half of it is missing"
    with monkeypatch.context() as other:
        go_on_elsewhere(other, tmp_path / "other")
        as_new()
        finish_run(experiment, root, "r1", made)
        elsewhere(root, compact)
    summary = rerun(experiment, root)
    assert summary["status"] == "complete" and summary["stages"]["explore"]["reused"] == 12


def test_what_is_listed_once_is_listed_again_where_a_file_is_gone(root, tmp_path):
    store = Store(root)
    scatter(store)
    with store.listed_once():
        index = RecipeIndex(store, RECIPE).refresh()
        elsewhere(root, compact)
        shutil.rmtree(tmp_path / "cache")
        ids = [identity(number, 0) for number in range(NUM_PARTS)]
        assert index.rows(ids, ["answer"]).num_rows == NUM_PARTS
        assert len(store.names(FOLDER, prefix="part-")) == 1


def test_of_a_large_part_only_what_is_read_is_fetched(root, tmp_path, requests):
    store = Store(root)
    rows = [{**trace(n), "answer": os.urandom(4096).hex()} for n in range(4000)]
    write_traces(store, *rows)
    [part] = store.names(FOLDER, prefix="part-")
    assert store.size(part) > 12 * 2**20
    as_new()
    shutil.rmtree(tmp_path / "cache", ignore_errors=True)
    [found] = ProblemRows(Store(root)).read(RECIPE.key, ["p37"]).to_pylist()
    assert found["answer"] == rows[37]["answer"]
    assert sum(file.stat().st_size for file in tmp_path.glob("cache/a2r/*/kept/*")) < store.size(part) / 3
    as_new()
    requests.clear()
    assert ProblemRows(Store(root)).read(RECIPE.key, ["p37"]).num_rows == 1
    assert requests["get_object"] == 0


def test_damage_in_the_root_is_found_though_a_copy_is_kept(root):
    store = Store(root)
    write_traces(store, trace(1))
    [part] = store.names(FOLDER, prefix="part-")
    assert store.read_part(part).num_rows == 1
    elsewhere(root, lambda other: other.write_bytes(f"{FOLDER}/recipe.json", RECIPE.content))
    s3fs.S3FileSystem().pipe_file(f"{root.removeprefix('s3://')}/{part}", b"damaged")
    assert {damage.path for damage in verify(store)} == {part}


COMMANDS = (
    "load",
    "verify",
    "runs",
    "sql 'select stage, count(*), count(answer) from traces group by all order by all'",
    "sql 'from leaderboard select experiment, accuracy order by all'",
    "show s1 --run sums --full",
    "compare judged sums",
    "report --json",
    "report --output {folder}/page.html --experiment sums",
    "export sums --to {folder}/traces --format csv",
    "grade --override {folder}/by_hand.csv",
    "sql 'select count(*) from corrections'",
    "compact --fewest 2 --json",
    "prune --keep-last 0 --experiment votes --apply --json",
    "verify",
)


def test_every_command_shows_what_it_shows_on_a_local_root_though_the_server_is_busy(busy_root, tmp_path):
    shown, root = {}, busy_root
    local = tmp_path / "local/root"
    shutil.copytree(DATA / "stored/root", local)
    s3fs.S3FileSystem().put(str(DATA / "stored/root"), root.removeprefix("s3://"), recursive=True)
    for where in (str(local), root):
        folder = tmp_path / where.replace("/", "_")
        folder.mkdir()
        (folder / "by_hand.csv").write_text("problem,verdict,who,why\ns1,wrong,me,for a test\n")
        shown[where] = [outcome(command, folder, where) for command in COMMANDS]
    differing = [pair for pair in zip(COMMANDS, *shown.values(), strict=True) if pair[1] != pair[2]]
    assert differing == []


def outcome(command, folder, where):
    """What a command printed, without what differs from root to root."""
    done = CliRunner().invoke(app, [*shlex.split(command.format(folder=folder)), "--root", where])
    assert done.exit_code in {0, 3}, (command, done.output)  # 3: a metric fell
    told = done.stdout.replace(str(Store(where).catalog_path.parent), "ROOT").replace(where, "ROOT")
    told = re.sub(r"(\.\d{9})\d+|(?<=bytes\": )\d+", r"\1", told)  # sums and rows are taken in another order
    return re.sub(r"in [\d.]+ s|\d+ (seconds|minutes) ago", "", told.replace(str(folder), "FOLDER"))


def test_import_is_replayed_here_and_the_root_has_a_copy(root, tmp_path, monkeypatch):
    [log] = (DATA / "logs/lm_eval").rglob("samples_*.jsonl")
    imported = import_log([log], root, Options())
    folder = f"imports/{imported.recording.name}"
    assert {file.path.removeprefix(f"{folder}/") for file in Store(root).files(folder)} == {
        file.name for file in imported.recording.folder.iterdir()
    }
    assert list(verify(Store(root))) == []
    edited = imported.experiment_file.read_bytes() + b"# edited\n"
    Store(root).write_bytes(f"{folder}/experiment.yaml", edited)
    go_on_elsewhere(monkeypatch, tmp_path / "other")
    assert import_log([log], root, Options()).experiment_file.read_bytes() == edited


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("AWS_SECRET_ACCESS_KEY", "another-key", "ignature"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9", "connect"),
    ],
)
def test_store_that_refuses_or_is_out_of_reach_is_told_in_a_sentence(
    root, monkeypatch, capsys, name, value, said
):
    monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(SystemExit) as ended:
        print_user_errors(lambda: list(verify(Store(root))))
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert told.startswith("error: the root's object store says: ")
    assert said in told and "AWS_ENDPOINT_URL" in told
    s3fs.S3FileSystem.clear_instance_cache()
