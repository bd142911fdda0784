"""Another chat template under the same model name, on the real `vllm serve`: told by the run that meets it.

    A2R_VLLM_PYTHON=~/vllm/bin/python pytest tests/vllm/test_changed_template.py

A CPU build will do.
"""

import json
import subprocess
from pathlib import Path

import pytest
import yaml
from endpoints.real_vllm import A2R, ARGS, COMMAND, ENVIRONMENT, environment, needs_vllm_elsewhere

MODEL = "a2r-sum3-explorer"
TOKENIZER = Path(__file__).parents[2] / "tasks" / "models" / MODEL / "tokenizer_config.json"

pytestmark = [needs_vllm_elsewhere, pytest.mark.timeout(1500)]


def served_with(folder, port, **args):
    """The experiment with a server of its own: what `a2r run` left on record, and what it told."""
    serve = {
        "port": port,
        "gpus": [],
        "command": COMMAND,
        "args": ARGS | args,
        "environment": ENVIRONMENT,
    }
    experiment = {
        "name": "template",
        "benchmark": {"source": "generated", "family": "sum3", "count": 12},
        "explorer": {
            "model": {"id": MODEL},
            "engine": {"kind": "openai", "serve": serve, "concurrency": 16},
            "prompt": "explore-small",
            "sampling": {"n": len(list((folder / "root" / "runs").glob("*.json"))) + 1, "max_tokens": 64},
        },
        "grader": {"kind": "exact"},
    }
    (folder / "template.yaml").write_text(yaml.safe_dump(experiment))
    done = subprocess.run(
        [A2R, "run", str(folder / "template.yaml"), "--root", str(folder / "root"), "--json"],
        capture_output=True,
        text=True,
        env=environment(folder),
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-4000:]
    summary = json.loads(done.stdout)
    return json.loads((folder / "root" / "runs" / f"{summary['run_id']}.json").read_bytes()), summary[
        "warnings"
    ]


def test_changed_template_under_the_same_name_is_told(tmp_path, unused_port):
    before, _ = served_with(tmp_path, unused_port())
    again, told = served_with(tmp_path, unused_port())
    assert not [text for text in told if "template" in text]

    other = tmp_path / "other.jinja"
    template = json.loads(TOKENIZER.read_text())["chat_template"]
    other.write_text(template.replace("<|im_start|>assistant\n", "<|im_start|>assistant\n\n"))
    after, told = served_with(tmp_path, unused_port(), chat_template=str(other))
    digests = [run["servers"][0]["template_digest"] for run in (before, again, after)]
    assert digests[0] == digests[1] != digests[2] and None not in digests
    [warning] = [text for text in told if "chat template" in text and MODEL in text]
    assert f"is not that of {again['run_id']}" in warning
