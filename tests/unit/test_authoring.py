"""What helps to write a file: the reference of all settings, schemas for editors, a first experiment, completion."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml
from typer.testing import CliRunner

from configs.json_schema import schema_of
from configs.loading import load_experiment
from configs.reference import KINDS, PATH, _models, meaning, reference
from configs.schema import UserError
from configs.starting import SCHEMA_FILE, start_experiment
from flows.cli import app
from tasks.prompts.references import Reference
from tasks.prompts.render import load_prompt

ROOT = Path(__file__).parents[2]
SHIPPED = {
    "experiment": "presets",
    "night": "nights",
    "sweep": "sweeps",
    "training": "trainings",
}


def test_page_is_what_the_models_say():
    assert (ROOT / PATH).read_text(encoding="utf-8") == reference()


@pytest.mark.parametrize("kind", KINDS)
def test_every_setting_has_a_type_and_a_meaning(kind):
    page = CliRunner().invoke(app, ["reference", kind]).stdout
    for model in _models(KINDS[kind].model):
        section = page.split(f"### {model.__name__}\n")[1].split("\n### ")[0]
        assert section.strip().splitlines()[0], f"{model.__name__} says what it is"
        for name, field in model.model_fields.items():
            assert meaning(field), f"{model.__name__}.{name}"
            assert f"| `{name}` | " in section


def test_types_limits_and_defaults_are_shown():
    page = reference("experiment")
    assert (
        "| `n` | integer, ≥ 1 | `1` | Samples per problem; raising it keeps the samples there are. |" in page
    )
    assert "| `order` | `shuffled` or `sampled` or `by_vote` | `shuffled` |" in page
    assert "| `grader` | [MathGrader](#mathgrader) or [ExactGrader](#exactgrader)" in page
    assert "| `base` | text | – |" in page


@pytest.mark.parametrize("kind", KINDS)
def test_shipped_files_are_valid_by_the_schema_and_mistakes_are_not(kind):
    schema = schema_of(kind)
    jsonschema.Draft7Validator.check_schema(schema)
    files = sorted((ROOT / "configs" / SHIPPED[kind]).glob("*.yaml"))
    assert files
    for file in files:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        jsonschema.validate(json.loads(json.dumps(content)), schema)
        with pytest.raises(jsonschema.ValidationError, match="descripton"):
            jsonschema.validate(content | {"descripton": "x"}, schema)
    printed = json.loads(CliRunner().invoke(app, ["schema", kind]).stdout)
    assert printed == json.loads(json.dumps(schema))


def test_schema_finds_a_misspelt_setting_deep_in_a_file_that_builds_on_another():
    schema = schema_of("experiment")
    jsonschema.validate(
        {"base": "a2r", "explorer": {"sampling": {"n": 8}, "engine": {"concurrency": 4}}}, schema
    )
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"base": "a2r", "explorer": {"sampling": {"temprature": 1}}}, schema)


def test_first_experiment_is_valid_commented_and_ready_to_be_checked(tmp_path, endpoint):
    file = tmp_path / "My First.yaml"
    done = CliRunner().invoke(app, ["init", str(file), "--endpoint", endpoint.base_url, "--model", "small"])
    assert done.exit_code == 0 and f"a2r check {file}" in done.stdout
    first, *_ = file.read_text().splitlines()
    named = re.fullmatch(r"# yaml-language-server: \$schema=(.+)", first)
    assert json.loads((tmp_path / named[1]).read_text()) == json.loads(json.dumps(schema_of("experiment")))
    experiment = load_experiment(str(file))
    assert experiment.name == "my-first" and experiment.explorer.engine.base_url == endpoint.base_url
    checked = CliRunner().invoke(app, ["check", str(file), "--root", str(tmp_path / "root")])
    assert checked.exit_code == 0 and "2 problems" in checked.stdout
    with pytest.raises(UserError, match="exists; choose another name, or replace it with --force"):
        start_experiment(file, "http://x/v1", "small", None, force=False)
    start_experiment(file, "http://x/v1", "other: model", None, force=True)
    assert load_experiment(str(file)).explorer.model.id == "other: model"


def test_columns_of_a_file_are_guessed_or_the_guess_is_refused(tmp_path):
    rows = tmp_path / "data" / "rows.csv"
    rows.parent.mkdir()
    rows.write_text("unique_id,prompt,gold\n1,What?,42\n")
    start_experiment(tmp_path / "mine.yaml", "http://x/v1", "small", rows, force=False)
    benchmark = load_experiment(str(tmp_path / "mine.yaml")).benchmark
    assert (benchmark.question, benchmark.answer, benchmark.id) == ("prompt", "gold", "unique_id")
    assert benchmark.path == str(rows) and (tmp_path / SCHEMA_FILE).is_file()
    rows.write_text("text,label\n")
    with pytest.raises(UserError, match="has the columns text, label, none of which is usually the question"):
        start_experiment(tmp_path / "other.yaml", "http://x/v1", "small", rows, force=False)
    with pytest.raises(UserError, match=r"nowhere.csv cannot be read"):
        start_experiment(
            tmp_path / "other.yaml", "http://x/v1", "small", tmp_path / "nowhere.csv", force=False
        )
    assert not (tmp_path / "other.yaml").exists()


def test_example_of_a_prompt_renders(tmp_path):
    [example] = re.findall(
        r"^```jinja\n(.*?)^```", (ROOT / "docs/prompts.md").read_text(), re.DOTALL | re.MULTILINE
    )
    (tmp_path / "mine.jinja").write_text(example)
    references = (Reference(1, "It is 4.", 1), Reference(2, "It is 5.", 3))
    system, user = load_prompt(str(tmp_path / "mine.jinja")).render("2 + 2?", references)
    assert system.content == "You are a careful mathematician."
    assert user.content.startswith("2 + 2?") and "## Solution 2 (3 times)\n\nIt is 5." in user.content


def test_shell_completion_knows_the_commands():
    script = "from flows.cli import main; main()"
    asked = os.environ | {"_A2R_COMPLETE": "complete_bash", "COMP_WORDS": "a2r ru", "COMP_CWORD": "1"}
    code = f"import sys; sys.argv = ['a2r']; {script}"
    shown = subprocess.run(
        [sys.executable, "-c", code], env=asked, capture_output=True, text=True, check=False
    )
    assert set(shown.stdout.split()) >= {"run", "runs"}


def test_folder_with_names_of_ours_is_looked_through_last_as_the_page_says(tmp_path):
    """What docs/python.md tells whoever has a `tasks.py` or a `flows` folder beside a notebook."""
    (tmp_path / "tasks.py").write_text("WHOSE = 'mine'\n")
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "__init__.py").write_text("WHOSE = 'mine'\n")
    remedy = "import sys; sys.path.append(sys.path.pop(0))"
    assert remedy in (ROOT / "docs/python.md").read_text(encoding="utf-8")
    code = "import flows.cli, tasks.progress; print(hasattr(flows, 'WHOSE'))"
    for first, is_fine in ((remedy, True), ("", False)):
        done = subprocess.run(
            [sys.executable, "-c", f"{first}\n{code}"],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode == 0) is is_fine, done.stderr
