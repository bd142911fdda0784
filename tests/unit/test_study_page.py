"""The study's cells and contrasts against the page that it wrote, and the sentences that the page begins with."""

import math
import re
from pathlib import Path

import pytest

from configs.training import load_training
from tasks.research.study.cells import CellKind, TrainedModels, study_cells
from tasks.research.study.contrasts import ContrastKind, Difference, contrasts_of, headline_of
from tasks.research.study.results import Result
from tasks.research.training.jobs import jobs_of
from tasks.research.training.record import TrainingRecord, read_record, write_record

DOCS = Path(__file__).parents[2] / "docs" / "study"


def record_of(job, **more):
    values = {
        "name": job.name,
        "digest": job.digest,
        "num_parameters": 1,
        "num_steps": 1,
        "num_tokens": 1,
        "seconds": 1.0,
        "machine": "none",
        "versions": {},
        "curve": [{"accuracy": 0.5}],
    }
    return TrainingRecord(**values | more)


def rows_of(page, heading):
    """The cells of a section's table, its headings left out."""
    section = page.split(f"## {heading}\n\n")[1].split("\n\n")[0]
    return [line.strip("| ").split(" | ") for line in section.splitlines()[2:]]


@pytest.mark.parametrize("name", ["sum3", "bill"])
def test_cells_and_contrasts_are_those_of_the_written_page(name, tmp_path):
    page = (DOCS / f"{name}.md").read_text()
    training = load_training(name)
    for job in jobs_of(training):
        job.folder(str(tmp_path)).mkdir(parents=True)
        write_record(job.folder(str(tmp_path)), record_of(job), job.model_dump(mode="json"))
    cells = list(study_cells(TrainedModels(training, str(tmp_path)), 10, lambda _: "elsewhere.jsonl"))
    alone = rows_of(page, "Explorers alone")
    grid = rows_of(page, "Explorer, synthesizer, number of references")
    controls = rows_of(page, "Controls and opponents of the headline pair")
    assert [row[0] for row in alone] == [cell.label for cell in cells if cell.kind is CellKind.EXPLORER]
    assert [row[0] for row in grid] == [cell.label for cell in cells if cell.kind is CellKind.PAIR]
    assert [row[0] for row in controls] == [cell.label for cell in cells if cell.is_control]

    costs = {row[0]: float(row[-2]) for row in alone} | {row[0]: float(row[-3]) for row in grid + controls}
    results = []
    for cell in cells:
        num_answers = 1 if cell.experiment.synthesizer else cell.experiment.explorer.sampling.n
        results.append(Result(cell, cell.label, {}, costs.get(cell.label, 1.0) * num_answers, 0, 0))
    contrasts = list(contrasts_of(training, results))
    written = rows_of(page, "Contrasts, paired by problem")
    assert [contrast.label for contrast in contrasts] == [row[0] for row in written]
    ratios = [float(row[-1]) for row in written]
    assert [contrast.ratio for contrast in contrasts] == pytest.approx(ratios, abs=0.01)


def difference(kind, opponent, low, high, reader="selector"):
    return Difference(kind, opponent, reader, opponent, 0.7, 0.5, (low + high) / 2, low, high, 1.0)


def test_page_begins_with_the_gain_over_a_vote_and_what_is_better_and_worse():
    single = ContrastKind.A2R_OVER_SINGLE_MODEL
    first, intro, bullets = headline_of(
        [
            difference(single, "m, cons@2", 0.1, 0.3),
            difference(ContrastKind.A2R_OVER_VOTE, "vote", 0.15, 0.25),
            difference(single, "solo, mean@1", -0.3, -0.1),
            difference(single, "l, mean@1", -0.1, 0.2),
            difference(single, "m, cons@4", 0.1, 0.3, reader="reinforced"),
            difference(ContrastKind.A2R_OVER_VOTE, "vote, seed 1", 0.1, 0.3, reader=None),
        ],
        "xs → s with 4 references",
    )
    assert first == (
        "**selector, xs → s with 4 references: 0.700. A vote over the same samples: 0.500. "
        "Difference: +0.200 [+0.150, +0.250].**\n"
    )
    assert intro.startswith("At equal cost")
    assert re.findall(r"- (.*): ([+-][\d.]+)", bullets) == [
        ("better than m, cons@2", "+0.200"),
        ("worse than solo, mean@1", "-0.200"),
        ("not distinguishable from l, mean@1", "+0.050"),
    ]


def test_contrast_without_a_common_problem_is_a_row_of_dashes():
    nothing = Difference(
        ContrastKind.A2R_OVER_VOTE, "none", "selector", "", None, None, None, None, None, 1.0
    )
    assert nothing.row == ("none", "–", "–", "–", "–")
    assert headline_of([nothing], "xs → s") == []


def test_record_is_read_as_it_was_written_and_divergence_is_null_in_the_file(tmp_path):
    job = jobs_of(load_training("tiny"))[0]
    record = record_of(job, curve=[{"num_steps": 1, "loss": math.nan, "accuracy": 0.25}])
    write_record(tmp_path, record, job.model_dump(mode="json"))
    again = read_record(tmp_path)
    assert math.isnan(again.curve[0]["loss"])
    assert again.accuracy == 0.25
    assert (again.name, again.digest, again.machine) == (job.name, job.digest, "none")
    assert '"loss": null' in (tmp_path / "training.json").read_text()
