"""A relation or macro more is one SQL file more: its place in the order follows from what it reads."""

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from warehouse.relations import before_views, definitions

PROJECT = Path(__file__).parents[2]


def test_every_definition_stands_behind_what_it_reads():
    seen = set()
    for made in definitions():
        assert made.reads & {other.key for other in definitions()} <= seen | {made.key}
        seen.add(made.key)


def test_order_is_the_same_in_every_process():
    code = "from warehouse.relations import definitions; print([made.key for made in definitions()])"
    orders = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(PROJECT)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(orders) == 1


def test_what_loading_builds_on_reads_no_view():
    early = {made.key for made in before_views()}
    assert "votes_of()" in early and "clustered_low()" in early
    assert "problem_changes()" not in early and "compare_runs()" not in early


@pytest.fixture
def project(tmp_path):
    """A copy of the warehouse and what it imports, compiled as it is."""
    for package in ("warehouse", "configs"):
        shutil.copytree(PROJECT / package, tmp_path / package)
    shutil.copytree(PROJECT / "tests/data/stored/root", tmp_path / "root")
    return tmp_path


def run(project, code):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=project,
        env=os.environ | {"PYTHONPATH": str(project)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_one_file_is_one_more_relation(project):
    # `accuracies` sorts before the view and the macro that it reads
    (project / "warehouse/sql/views/accuracies.sql").write_text(
        "-- One row per run: its best accuracy, halved.\n"
        "create or replace view accuracies as\n"
        "select run_id, max(halved(accuracy)) as accuracy\n"
        "from leaderboard\ngroup by run_id\n"
    )
    (project / "warehouse/sql/macros/halved.sql").write_text(
        "-- Half of a number.\ncreate or replace macro halved(number) as number / 2\n"
    )
    found = run(
        project,
        """
        from warehouse.catalog import connect
        from warehouse.dictionary import dictionary
        from warehouse.loader import load
        from warehouse.store import Store
        store = Store("root")
        load(store)
        with connect(store) as catalog:
            print(catalog.execute("select count(*), max(accuracy) < 0.5 from accuracies").fetchone())
        page = dictionary()
        assert "### `accuracies`" in page and "One row per run: its best accuracy, halved." in page
        assert "| `halved(number)` | Half of a number. |" in page
        """,
    )
    assert (found.stdout, found.returncode) == ("(4, True)\n", 0), found.stderr


def test_one_line_is_one_more_column_of_traces(project):
    """Declared once, it is stored, loaded, and NULL for what was stored before; engines give it by its name."""
    columns = project / "warehouse/columns.py"
    columns.write_text(columns.read_text().replace("\n}\n", '\n    "num_draft_tokens": "int32",\n}\n'))
    found = run(
        project,
        """
        from pathlib import Path
        from warehouse.catalog import connect
        from warehouse.identity import Recipe
        from warehouse.integrity import verify
        from warehouse.journal import traces_table
        from warehouse.loader import load
        from warehouse.store import Store, traces_folder
        store = Store("root")
        [part] = store.names("traces/stage=explore/recipe=bd175d01a417d29d")
        recipe = Recipe.read(store.read_bytes(str(Path(part).parent / "recipe.json")))
        row = store.read_part(part).slice(0, 1).to_pylist()[0]
        row |= {"sample_index": 99, "started_at": 0, "num_draft_tokens": 7}
        from warehouse.identity import trace_id
        row["trace_id"] = trace_id(recipe, row["problem_digest"], 99)
        store.write_part(traces_folder(recipe), traces_table([row]))
        load(store)
        with connect(store) as catalog:
            for relation in ("traces", "samples"):
                query = f"select count(*), max(num_draft_tokens) from {relation}"
                print(*catalog.execute(query).fetchone())
        print(list(verify(store)))
        """,
    )
    assert (found.stdout, found.returncode) == ("59 7\n108 None\n[]\n", 0), found.stderr


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "-- Rows.\ncreate or replace view other as\nselect 1 as one\n",
            "give file and definition the same name",
        ),
        ("-- Rows.\nselect 1 as one\n", "does not begin with `create"),
        ("-- Rows.\ncreate or replace view wrong as\nselect from where\n", "cannot be parsed"),
    ],
)
def test_file_that_is_not_a_definition_is_named(project, text, complaint):
    (project / "warehouse/sql/views/wrong.sql").write_text(text)
    found = run(project, "from warehouse.relations import definitions; definitions()")
    assert "sql/views/wrong.sql" in found.stderr and complaint in found.stderr
