"""CONTRIBUTING.md says what is true: its paths exist, its commands are targets, its example is an experiment."""

import re
from pathlib import Path

from configs.loading import load_experiment

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_every_path_exists():
    named = re.findall(r"`((?:configs|warehouse|tasks|flows|tests|\.ci)/[\w./-]+)`", TEXT)
    assert len(named) > 30
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_every_target_exists():
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z][\w-]*)", TEXT)) <= targets


def test_example_is_an_experiment(tmp_path):
    [example] = re.findall(r"^```yaml\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
    (tmp_path / "mine.yaml").write_text(example)
    assert load_experiment(str(tmp_path / "mine.yaml")).benchmark.path == str(tmp_path / "problems.jsonl")
