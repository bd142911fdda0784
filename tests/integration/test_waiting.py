"""What is waited for is said, counted, and given up in time."""

import io
import time

import pytest
from rich.console import Console

from configs.experiment import Experiment
from tasks.analysis.check import check_experiment
from tasks.engines.protocol import EngineError
from tasks.progress import PROGRESS, WORKING_ON, StageProgress


def test_check_of_a_dead_endpoint_says_so_at_once_and_gives_up_after_seconds(
    experiment_data, unused_port, tmp_path
):
    url = f"http://127.0.0.1:{unused_port()}/v1"
    experiment_data["explorer"]["engine"] |= {"base_url": url, "patience_seconds": 600.0}
    shown, began = io.StringIO(), time.monotonic()
    with PROGRESS.shown_on(Console(file=shown)), pytest.raises(EngineError, match="does not answer"):
        check_experiment(Experiment.model_validate(experiment_data), str(tmp_path / "root"))
    assert time.monotonic() - began < 300, "not the patience of a run"
    assert shown.getvalue().startswith(f"waiting for {url} since 0 s, up to 5 s")


def test_stage_that_cannot_run_yet_says_what_it_waits_for_and_counts_what_is_sent_again():
    progress = StageProgress()
    progress.expect("explore", 4)
    progress.expect("synthesize", 2, "explore")
    progress.sent_again()
    assert dict(_details(progress)) == {"explore": "", "synthesize": "waits for explore"}
    token = WORKING_ON.set("explore")
    try:
        progress.sent_again()
        progress.advance("explore")
        progress.sent_again()
    finally:
        WORKING_ON.reset(token)
    progress.advance("synthesize", failed=True)
    details = dict(_details(progress))
    assert details["explore"].endswith(" · 2 sent again")
    assert details["synthesize"].endswith(" · 1 failed")


def _details(progress):
    return [(stage, detail) for stage, _, _, detail in progress.snapshot()]
