"""The study of methods on a few problems: what its page says, and that what is stored is not made again."""

from dataclasses import replace

import pytest

from configs.schema import UserError
from tasks.engines.onnx.engine import OnnxEngine
from tasks.research.study.methods import Scope
from warehouse.catalog import connect
from warehouse.store import Store

NUM_PROBLEMS = 3
SCOPE = Scope(NUM_PROBLEMS, 1, ("bill",), frozenset({"genselect"}))


@pytest.fixture
def requests(monkeypatch):
    """Samples that embedded engines are asked for; they answer as ever."""
    counted, complete = [], OnnxEngine.complete

    async def counting(self, request, deliver):
        counted.extend(request.seeds)
        await complete(self, request, deliver)

    monkeypatch.setattr(OnnxEngine, "complete", counting)
    return counted


def test_methods_are_compared_and_what_is_stored_is_not_made_again(prefect, requests, tmp_path):
    from flows.study import study_methods
    from tasks.research.study.method_study import report_stored

    root, docs, again = str(tmp_path / "root"), tmp_path / "docs", tmp_path / "again"
    with pytest.raises(UserError, match="holds no run of the study of methods on 3 problems; make them with"):
        report_stored(SCOPE, root, str(docs), is_partial_enough=True)
    assert report_stored(SCOPE, root, str(docs)) is None
    report = study_methods(SCOPE, root, str(docs))
    assert (report.status, report.missing, report.num_runs) == ("complete", [], 2)
    assert requests
    page = (docs / "methods.md").read_text()
    assert "<svg" in (docs / "methods-bill.svg").read_text()
    assert "9 of the 9 replies of genselect name no candidate" in page
    with connect(Store(root)) as catalog:
        [(estimate, cost)] = catalog.execute(
            "select any_value(metrics.estimate), sum(leaderboard.petaflops) * 1e9 / 3 from runs "
            "join metrics using (run_id) join leaderboard using (run_id) "
            "where runs.experiment = 'methods.bill.a2r.0' and metrics.metric = 'a2r-cons@4'"
        ).fetchall()
    assert f"| a2r | {estimate:.3f} [" in page
    assert f" | – | {cost:.1f} | 1.00 | " in page, "made in one go, its cost is that of the leaderboard"

    requests.clear()
    assert study_methods(SCOPE, root, str(again)).status == "complete"
    assert report_stored(SCOPE, root, str(again)).num_runs == 0
    assert requests == [], "what is stored is not made again"
    assert (again / "methods.md").read_text() == page

    two_seeds = replace(SCOPE, num_seeds=2)
    assert report_stored(two_seeds, root, str(docs)) is None
    assert (docs / "methods.md").read_text() == page, "a page is whole unless a part is asked for"
    partial = report_stored(two_seeds, root, str(docs), is_partial_enough=True)
    assert partial.status == "incomplete"
    assert partial.missing == ["bill: a2r, seed 1", "bill: genselect, seed 1"]
    assert "Not in the store yet, and in no number above" in (docs / "methods.md").read_text()
