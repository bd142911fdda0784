"""Every command of the README is run as it stands there."""

import os
import re
import shlex
from pathlib import Path

import pytest
from endpoints.in_a_row import InARow
from typer.main import get_command

from flows.cli import app

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)


def commands():
    """The shell commands, those that go over several lines joined."""
    for block in blocks("sh"):
        yield from (
            " ".join(c.split())
            for c in re.findall(r"^(?:a2r|make)\b(?:[^\"\n#]|\"[^\"]*\")*", block, re.MULTILINE)
        )


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    folder = tmp_path_factory.mktemp("newcomer")
    (folder / "problems.jsonl").write_text(blocks("json")[0])
    return folder


@pytest.fixture
def run(workplace, endpoint, server, monkeypatch):
    """Runs a command line there."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "A2R_"))}
    ours = {"PREFECT_HOME": str(workplace / "prefect"), "PREFECT_API_URL": server.api_url}
    endpoint.key = "a key"
    monkeypatch.chdir(workplace)
    with InARow(env=kept | ours | {"MY_API_KEY": endpoint.key}) as a2r:
        yield lambda command: a2r(*shlex.split(command, comments=True)[1:])


# Over 20 s: some twenty commands.
@pytest.mark.timeout(1200)
def test_every_command_works_in_the_order_of_the_readme(workplace, endpoint, run):
    (workplace / "mine.yaml").write_text(
        blocks("yaml")[0].replace("http://localhost:8000/v1", endpoint.base_url)
    )
    asked = [command for command in commands() if command.startswith("a2r")]
    assert len(asked) >= 10
    run("a2r run quickstart --set benchmark.count=20")
    for command in asked:
        run(command.replace("run quickstart", "run quickstart --set benchmark.count=20"))
    assert {body["model"] for body in endpoint.requests} == {"small", "big"}


def test_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text()
    for command in commands():
        if command.startswith("make"):
            assert re.search(rf"^{command.split()[1]}:", makefile, re.MULTILINE), command


def test_folders_and_files_that_are_named_exist():
    tree = TEXT[TEXT.index("configs/        WHAT") :].split("```")[0]
    for line in tree.splitlines():
        name = line.split()[0]
        path = ROOT / "tasks" / name if line.startswith("  ") else ROOT / name
        assert path.is_dir() if name.endswith("/") else path.is_file(), name


def test_every_command_is_in_the_readme_or_on_a_page_of_docs():
    pages = TEXT + "".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs").glob("*.md"))
    names = list(get_command(app).commands)
    assert len(names) >= 20
    assert [name for name in names if not re.search(rf"\ba2r {name}\b", pages)] == []
