"""A sweep file becomes cells, each a whole experiment with a name of its own."""

import pytest

from configs.schema import UserError
from configs.sweep import Sweep, cells_of, load_sweep


def swept(**axes):
    return Sweep.model_validate({"name": "s", "base": "quickstart", "axes": axes})


def test_grid_is_every_combination_and_the_last_axis_goes_fastest():
    cells = cells_of(
        swept(**{"synthesizer.references.count": [1, 2], "synthesizer.sampling.temperature": [0.3, 1]})
    )
    assert [cell.label for cell in cells] == [
        "count=1 temperature=0.3",
        "count=1 temperature=1",
        "count=2 temperature=0.3",
        "count=2 temperature=1",
    ]
    assert [cell.experiment.name for cell in cells][:2] == [
        "s.count-1.temperature-0.3",
        "s.count-1.temperature-1",
    ]
    assert cells[2].experiment.synthesizer.references.count == 2
    assert cells[2].experiment.synthesizer.sampling.temperature == 0.3
    assert cells[2].experiment.explorer == cells[0].experiment.explorer


def test_named_points_set_several_settings_at_once():
    [small, big] = cells_of(
        swept(
            pair={
                "small to big": {"explorer.model.id": "s", "synthesizer.model.id": "b"},
                "big to small": {"explorer.model.id": "b", "synthesizer.model.id": "s"},
            }
        )
    )
    assert (small.experiment.explorer.model.id, big.experiment.explorer.model.id) == ("s", "b")
    assert small.experiment.name == "s.pair-small-to-big"


def test_axes_that_end_alike_are_told_apart():
    [cell] = cells_of(
        swept(**{"explorer.sampling.temperature": [1], "synthesizer.sampling.temperature": [2]})
    )
    assert cell.label == "explorer.sampling.temperature=1 synthesizer.sampling.temperature=2"


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"synthesizer.references.count": [9]}, "cell count=9: .*explorer.sampling.n is 4"),
        ({"explorer.sampling.temprature": [1]}, "did you mean temperature"),
        ({"synthesizer.references.count": []}, "axes.synthesizer.references.count is empty"),
        ({"explorer.model.id": ["a b", "a-b"]}, "2 cells have the name s.id-a-b"),
    ],
)
def test_mistake_names_the_cell_before_anything_runs(axes, message):
    with pytest.raises(UserError, match=message):
        cells_of(swept(**axes))


def test_file_is_read_with_its_base_beside_it(tmp_path):
    (tmp_path / "mine.yaml").write_text("name: s\nbase: ./base.yaml\naxes: {explorer.sampling.n: [4, 8]}\n")
    sweep = load_sweep(str(tmp_path / "mine.yaml"), ["benchmark.count=7"])
    assert sweep.base == str(tmp_path / "base.yaml")
    assert sweep.overrides == ("benchmark.count=7",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: s\nbase: quickstart\n", r"s\.yaml: axes is missing; add it"),
        (
            "name: s\nbase: quickstart\naxes: {}\n",
            r"s\.yaml: axes is {}; it should have at least 1 item, not 0",
        ),
        (
            "name: s\nbase: quickstart\naxes: {n: [1]}\noverides: []\n",
            r"overides is \[\] but is not a known setting; did you mean overrides\?",
        ),
        ("name: s\nbase: quickstart\naxes: {n: 1}\n", r"axes\.n is 1; it should be a list or a mapping\."),
        ("name: s\nbase: quickstart\naxes: {n: [1, [2]]}\n", r"axes\.n\.1 is \[2\]; it should be"),
        ("- name: s\n", r"s\.yaml holds a list, not a mapping; see configs/sweeps/references\.yaml"),
        ("", r"s\.yaml holds nothing, not a mapping"),
        ("a: [", "is not valid YAML"),
        ("name: s\nbase: quickstart\nname: t\n", r"the key name is there twice; remove one\n  at line 3"),
    ],
)
def test_wrong_file_is_told(tmp_path, text, message):
    file = tmp_path / "s.yaml"
    file.write_text(text)
    with pytest.raises(UserError, match=message):
        load_sweep(str(file))


def test_unknown_name_is_told():
    with pytest.raises(UserError, match=r"there are: .*references"):
        load_sweep("nowhere")


def test_misspelled_name_is_told_with_the_nearest():
    with pytest.raises(UserError, match=r"refrences is not a shipped sweep; did you mean references\?"):
        load_sweep("refrences")


def test_shipped_sweep_is_whole():
    assert len(cells_of(load_sweep("references"))) == 6
