"""The study over models that a training left: the shipped pair, put where a training would have put it."""

import shutil
from pathlib import Path

import orjson
import pytest

from configs.schema import UserError
from configs.training import Training, load_training
from tasks.engines.weights import MODELS
from tasks.research.training.jobs import jobs_of
from tasks.research.training.shipped import install_shipped
from warehouse.catalog import connect
from warehouse.store import Store

SHIPPED = {"explorer": "a2r-sum3-explorer", "synthesizer": "a2r-sum3-synthesizer"}
NUM_PROBLEMS = 12


@pytest.fixture(scope="module")
def training():
    """A training with one explorer and one synthesizer of another size."""
    shape = {"num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 32}
    return Training.model_validate(
        {
            "name": "shipped",
            "family": "sum3",
            "shapes": {"xs": {"hidden_size": 32, **shape}, "s": {"hidden_size": 64, **shape}},
            "explorers": ["xs", "s"],
            "synthesizers": ["s"],
            "headline": ["xs", "s"],
            "explorer": {"num_examples": 1},
            "references": {"explorers": ["xs"], "num_problems": 1, "count": 4},
            "synthesizer": {"num_examples": 1},
            "explorer_tokens": 64,
            "synthesizer_tokens": 320,
        }
    )


def install(training, root, kind, size):
    """Put a shipped model where the job's would be."""
    [job] = [job for job in jobs_of(training) if (job.kind, job.size, job.seed) == (kind, size, 0)]
    folder = job.folder(root)
    shutil.copytree(MODELS / SHIPPED[kind], folder)
    curve = [{"num_steps": 1, "num_tokens": 10**6, "seconds": 1.0, "loss": 0.1, "accuracy": 0.3}]
    record = {
        "name": job.name,
        "num_steps": 1,
        "num_parameters": 150_272 if kind == "explorer" else 434_464,
        "num_tokens": 10**6,
        "seconds": 1.0,
        "digest": job.digest,
        "machine": "one thread of a test",
        "versions": {"torch": "0"},
        "curve": curve,
        "lesson": job.model_dump(mode="json"),
    }
    (folder / "training.json").write_bytes(orjson.dumps(record))


def test_study_measures_what_there_is_and_names_what_is_missing(prefect, training, tmp_path):
    from flows.study import study

    root, docs = str(tmp_path / "root"), tmp_path / "docs"
    with pytest.raises(UserError, match=r"holds no model of shipped; train them first: a2r train shipped"):
        study(training, root, NUM_PROBLEMS, str(docs))
    install(training, root, "explorer", "xs")
    install(training, root, "synthesizer", "s")
    report = study(training, root, NUM_PROBLEMS, str(docs))
    assert report.status == "complete"
    assert report.missing_models == ["a2r-shipped-explorer-s"]
    page = (docs / "shipped.md").read_text()
    assert page.startswith(
        "# shipped: what reading references is worth\n\n**synthesizer, xs → s with 4 references: "
    )
    assert "| synthesizer: A2R minus its model, plain prompt, " in page
    for cell in (
        "xs → s, N = 1",
        "xs → s, N = 4",
        "synthesizer, another problem's references",
        "plain prompt",
    ):
        assert cell in page
    assert "Not trained yet: a2r-shipped-explorer-s" in page
    assert "<svg" in (docs / "shipped-costs.svg").read_text()
    with connect(Store(root)) as catalog:
        [(a2r, low, high)] = catalog.execute(
            "select estimate, low, high from metrics join runs using (run_id) where metric = 'a2r' "
            "and experiment = 'study.a2r-shipped-explorer-xs.a2r-shipped-synthesizer-s.4'"
        ).fetchall()[:1]
        answers = {
            explorer: catalog.execute(
                "select s.problem_id, t.answer from samples s join runs r using (run_id) join traces t using (trace_id) "
                "where s.stage = 'explore' and r.explorer = ? and s.sample_index = 0 and r.synthesizer is not null",
                [explorer],
            ).fetchall()
            for explorer in ("a2r-shipped-explorer-xs", "a2r-shipped-explorer-xs-elsewhere")
        }
    assert f"| xs → s, N = 4 | {a2r:.3f} [{low:.3f}, {high:.3f}]" in page
    [reader] = [job for job in jobs_of(training) if job.kind == "synthesizer"]
    card = (reader.folder(root) / "README.md").read_text()
    assert (
        f"| xs → s, N = 4, 4 references of a2r-shipped-explorer-xs | {a2r:.3f} [{low:.3f}, {high:.3f}]"
        in card
    )
    assert "| hardware | one thread of a test |" in card
    own, elsewhere = (set(pairs) for pairs in answers.values())
    assert len({problem for problem, _ in elsewhere}) == NUM_PROBLEMS
    assert {answer for _, answer in elsewhere} == {answer for _, answer in own}
    assert not own & elsewhere, "each problem has the answers to another one"


def test_study_from_scratch_leaves_shipped_models_out(prefect, tmp_path):
    from flows.study import study

    training, root = load_training("bill"), tmp_path / "root"
    with pytest.raises(
        UserError, match="holds no model of bill; train them first: a2r train bill --from-scratch --root"
    ):
        study(training, str(root), NUM_PROBLEMS, str(tmp_path / "docs"), from_scratch=True)
    assert not list(root.glob("models/*"))
    assert install_shipped(jobs_of(training), str(root)), "there are some"


def test_study_made_again_generates_nothing(prefect, training, tmp_path):
    from flows.study import study

    root = str(tmp_path / "root")
    install(training, root, "explorer", "xs")
    study(training, root, NUM_PROBLEMS, str(tmp_path / "docs"))
    before = sorted(Path(root).glob("traces/**/part-*.parquet"))
    study(training, root, NUM_PROBLEMS, str(tmp_path / "docs"))
    assert sorted(Path(root).glob("traces/**/part-*.parquet")) == before
