"""A nightly file: shipped or one's own, its schedule changed from outside, its mistakes told like an experiment's."""

import pytest

from configs.nightly import load_nightly
from configs.schema import UserError


def written(tmp_path, text):
    file = tmp_path / "night.yaml"
    file.write_text(text)
    return str(file)


def test_shipped_night_is_the_one_without_a_name():
    assert load_nightly() == load_nightly("nightly")
    assert [entry.named.load().name for entry in load_nightly().experiments] == ["quickstart"]


def test_schedule_may_be_changed_from_outside():
    night = load_nightly(cron="30 4 * * 1", timezone="Europe/Berlin")
    assert (night.cron, night.timezone) == ("30 4 * * 1", "Europe/Berlin")
    assert load_nightly(cron=None) == load_nightly()


def test_paths_are_relative_to_the_file_and_names_stay_names(tmp_path):
    night = load_nightly(
        written(
            tmp_path, "experiments: [{experiment: mine.yaml}, {experiment: sub/other.yml}, {experiment: a2r}]"
        )
    )
    assert [entry.experiment for entry in night.experiments] == [
        str(tmp_path / "mine.yaml"),
        str(tmp_path / "sub" / "other.yml"),
        "a2r",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cron: '0 2 * * *'\n", r"night\.yaml: experiments is missing; add it\."),
        ("experiments: []\n", r"night\.yaml: experiments is \[\]; it should have at least 1 item, not 0\."),
        (
            "experiments: [{experiment: a2r}, {experiment: a2r, sample: same}]\n",
            r"experiments\.1\.sample is 'same' but is not a known setting; did you mean samples\?",
        ),
        (
            "experiments: [{experiment: a2r, samples: old}]\n",
            r"samples is 'old'; it should be 'same' or 'fresh'",
        ),
        ("experiments: [a2r]\n", r"experiments\.0 is 'a2r'; it should be a mapping\."),
        ("experiments: a2r\n", r"experiments is 'a2r'; it should be a list\."),
        (
            "experiments: [{experiment: a2r}]\ntimezone: Berlin\n",
            r"night\.yaml: timezone is 'Berlin', which is not a time zone; give one such as Europe/Berlin\.",
        ),
        ("experiments: [{experiment: a2r}]\nbase: a2r\n", r"base is 'a2r' but is not a known setting"),
        ("a2r\n", r"night\.yaml holds a text, not a mapping; see configs/nights/nightly\.yaml"),
    ],
)
def test_mistake_is_named_with_value_and_remedy(tmp_path, text, message):
    with pytest.raises(UserError, match=message):
        load_nightly(written(tmp_path, text))


def test_wrong_time_zone_from_outside_is_told():
    with pytest.raises(UserError, match=r"configs/nights/nightly\.yaml: timezone is 'Mars', which is not"):
        load_nightly(timezone="Mars")


def test_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(
        UserError, match=r"does not exist; give the path of a nightly file or the name of a shipped night"
    ):
        load_nightly(str(tmp_path / "nowhere.yaml"))
    with pytest.raises(UserError, match=r"is a folder; give the path"):
        load_nightly(f"{tmp_path}/")
    with pytest.raises(UserError, match=r"nigthly is not a shipped night; did you mean nightly\?"):
        load_nightly("nigthly")
