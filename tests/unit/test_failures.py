"""Whether a failure may pass is said by its code, once for engines and for what is stored."""

import re
from pathlib import Path

from warehouse.failures import FailureCode, is_permanent

ENGINES = Path(__file__).parents[2] / "tasks/engines"


def test_stored_codes_keep_their_names():
    assert set(FailureCode) == {
        *("context_overflow", "content_filter", "bad_request", "not_recorded"),
        *("rate_limited", "server_error", "timeout", "connection", "bad_reply", "unreachable", "not_served"),
    }


def test_refusals_of_a_prompt_are_permanent():
    permanent = {"context_overflow", "content_filter", "bad_request", "not_recorded"}
    assert {code for code in FailureCode if code.is_permanent} == permanent
    assert {code for code in map(str, FailureCode) if is_permanent(code)} == permanent


def test_what_no_version_knows_may_pass():
    assert not is_permanent("moon_phase") and not is_permanent(None)


def test_every_code_is_given_by_some_engine():
    text = "".join(path.read_text() for path in ENGINES.rglob("*.py"))
    assert set(re.findall(r"FailureCode\.([A-Z_]+)", text)) == set(FailureCode.__members__)
