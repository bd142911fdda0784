"""A night's mistakes are told when it is given: all of them, one sentence each, before anything is started."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from configs.nightly import Nightly, is_night, load_nightly, shown_as
from configs.schema import UserError
from flows.cli import app
from tasks.analysis.mistakes import loaded_night

A2R = str(Path(sys.executable).with_name("a2r"))


@pytest.fixture
def written(tmp_path, experiment_data):
    """A night of one experiment of sums, each part of which may be changed."""

    def write(night=None, **changed):
        data = experiment_data | changed
        (tmp_path / "sums.yaml").write_text(json.dumps(data))
        file = tmp_path / "night.yaml"
        file.write_text(json.dumps({"experiments": [{"experiment": "sums.yaml"}]} | (night or {})))
        return str(file)

    return write


def mistakes(file, tmp_path):
    with pytest.raises(UserError) as told:
        loaded_night(load_nightly(file), shown_as(file), str(tmp_path / "root"))
    return str(told.value).splitlines()


def test_good_night_is_loaded_without_touching_the_endpoint(written, tmp_path, endpoint):
    file = written()
    [experiment] = loaded_night(load_nightly(file), shown_as(file), str(tmp_path / "root"))
    assert experiment.name == "sums" and endpoint.requests == [] and not (tmp_path / "root").exists()


def test_every_mistake_of_every_experiment_is_one_line(written, tmp_path, experiment_data, monkeypatch):
    monkeypatch.delenv("A2R_NO_SUCH_KEY", raising=False)
    (tmp_path / "mine.jinja").write_text("{% block user %}{{ question }} {{ refs }}{% endblock %}")
    (tmp_path / "graders.py").write_text("def judge_it(gold, answer):\n    return True\n")
    explorer = experiment_data["explorer"]
    file = written(
        {"experiments": [{"experiment": name} for name in ("sums.yaml", "quikstart", "nowhere.yaml")]},
        explorer=explorer
        | {"engine": explorer["engine"] | {"api_key_env": "A2R_NO_SUCH_KEY"}, "prompt": "exlore"},
        synthesizer=experiment_data["synthesizer"] | {"prompt": "mine.jinja"},
        grader={"kind": "function", "function": "graders:judge"},
        benchmark=experiment_data["benchmark"] | {"path": "gone.jsonl"},
    )
    told = mistakes(file, tmp_path)
    expected = (
        f"{file}: experiments.0 (sums): {tmp_path}/gone.jsonl cannot be read: No such file",
        f"{file}: experiments.0 (sums): explorer: The environment variable A2R_NO_SUCH_KEY is not set",
        f"{file}: experiments.0 (sums): explorer: prompt exlore does not exist; did you mean explore?",
        f"{file}: experiments.0 (sums): synthesizer: prompt mine: 'refs' is undefined; it may use `question` and",
        f"{file}: experiments.0 (sums): grader.function: its module has no judge; did you mean judge_it?",
        f"{file}: experiments.1: quikstart is not a preset; did you mean quickstart?",
        f"{file}: experiments.2: {tmp_path}/nowhere.yaml does not exist",
    )
    assert len(told) == len(expected)
    assert [line[: len(start)] for line, start in zip(told, expected, strict=True)] == list(expected)


@pytest.mark.parametrize(
    ("night", "message"),
    [
        ({"cron": "61 2 * * *"}, "cron is '61 2 * * *', which is not a schedule (bad minute); give minute,"),
        ({"cron": "0 2 * *"}, "which is not a schedule (fields: 4)"),
        ({"cron": "0 2 30 2 *"}, "which is not a schedule (bad day-of-month)"),
        ({"timezone": "America/NewYork"}, "which is not a time zone; give one such as America/New_York."),
    ],
)
def test_schedule_is_refused_where_it_is_given(written, night, message):
    file = written(night)
    with pytest.raises(UserError) as told:
        load_nightly(file)
    assert f"{file}: " in str(told.value) and message in str(told.value)


def test_up_refuses_before_it_starts_anything(written, tmp_path, experiment_data):
    file = written(synthesizer=experiment_data["synthesizer"] | {"prompt": "synthesise"})
    for options, message in [
        (["--nightly", file], "experiments.0 (sums): synthesizer: prompt synthesise does not exist; did you"),
        (["--nightly", file, "--cron", "61 2 * * *"], "cron is '61 2 * * *'"),
    ]:
        done = subprocess.run(
            [A2R, "up", *options, "--root", str(tmp_path / "root")],
            cwd=tmp_path,
            env=os.environ | {"PREFECT_HOME": str(tmp_path / "prefect")},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stdout) == (2, "") and message in done.stderr
        assert "Traceback" not in done.stderr


def test_check_takes_a_night(written, tmp_path):
    file, root = written({"cron": "0 2 * * 1", "timezone": "Europe/Berlin"}), str(tmp_path / "root")
    shown = CliRunner().invoke(app, ["check", file, "--root", root])
    assert shown.exit_code == 0 and "sums: 10 problems" in shown.stdout
    assert "1 experiment, 60 traces to make" in shown.stdout and "02:00 Europe/Berlin." in shown.stdout
    report = json.loads(CliRunner().invoke(app, ["check", file, "--root", root, "--json"]).stdout)
    assert report["cron"] == "0 2 * * 1" and report["experiments"][0]["experiment"] == "sums"
    assert datetime.fromisoformat(report["next_at"]).weekday() == 0
    assert CliRunner().invoke(app, ["check", file, "--limit", "3"]).exit_code == 2


def test_only_what_lists_experiments_is_a_night(written, tmp_path):
    assert is_night(written()) and is_night("nightly")
    (misspelt := tmp_path / "misspelt.yaml").write_text('{"experimnts": [], "cron": "0 2 * * *"}')
    assert is_night(str(misspelt))
    assert not any(map(is_night, ("quickstart", str(tmp_path / "sums.yaml"), "nowhere.yaml", "nosuch")))


def test_next_night_is_in_the_nights_own_zone():
    nightly = Nightly(experiments=({"experiment": "quickstart"},), cron="0 2 * * *", timezone="Europe/Berlin")  # pyright: ignore[reportArgumentType]
    winter = nightly.next_after(datetime(2026, 12, 1, 12, tzinfo=UTC))
    summer = nightly.next_after(datetime(2026, 7, 1, 12, tzinfo=UTC))
    assert [night.astimezone(UTC).hour for night in (winter, summer)] == [1, 0]


def test_looking_through_a_night_imports_no_prefect():
    """`a2r up` does it before it says where the server is, which Prefect reads when it is imported."""
    code = "import sys, tasks.analysis.mistakes, tasks.ops.reports, tasks.ops.night_watch; print('prefect' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "False\n"
