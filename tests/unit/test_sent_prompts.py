"""Prompts as they were sent: rendered again, in pieces that share texts, and never when the template has changed."""

import pytest

from configs.models import Model
from configs.roles import References
from configs.sampling import Sampling
from tasks.analysis.report.sent import stage_source
from tasks.prompts.references import Reference
from tasks.prompts.render import load_prompt
from warehouse.identity import recipe_of
from warehouse.store import Store

REFERENCES = (Reference(1, "first", 2), Reference(2, "second", 1))


def source(tmp_path, template, *, changed=None):
    """Where the prompts of a recipe with this template come from; the file may have changed since."""
    path = tmp_path / "mine.jinja"
    path.write_text(template)
    recipe = recipe_of(
        "synthesize",
        Model(id="m"),
        load_prompt(str(path)).digest,
        Sampling(),
        references=References(),
    )
    store = Store(str(tmp_path / "root"))
    store.write_recipe(recipe)
    if changed is not None:
        path.write_text(changed)
    return stage_source(store, "synthesize", recipe.key, str(path))


def test_texts_are_pointers(tmp_path):
    template = (
        "{% block system %}Be brief.{% endblock %}{% block user %}{{ question }}"
        "{% for r in references %} [{{ r.index }}: {{ r.text }}, {{ r.count }}]{% endfor %}{% endblock %}"
    )
    sent = source(tmp_path, template).sent("1+1?", REFERENCES)
    assert sent["note"] is None
    assert sent["messages"] == [
        {"role": "system", "pieces": ["Be brief."]},
        {
            "role": "user",
            "pieces": [{"question": True}, " [1: ", {"reference": 0}, ", 2] [2: ", {"reference": 1}, ", 1]"],
        },
    ]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("{{ question | upper }}", "SO WHAT?"),
        ("{{ question }} ({{ question | length }})", "so what? (8)"),
        ("{{ references | map(attribute='text') | sort | join(',') }}", "first,second"),
        ("{{ question[:2] }}", "so"),
    ],
)
def test_what_a_pointer_cannot_say_is_there_in_full(tmp_path, body, expected):
    [message] = source(tmp_path, f"{{% block user %}}{body}{{% endblock %}}").sent("so what?", REFERENCES)[
        "messages"
    ]
    texts = {"question": "so what?"}
    pieces = [
        p if isinstance(p, str) else texts.get(next(iter(p))) or REFERENCES[p["reference"]].text
        for p in message["pieces"]
    ]
    assert "".join(pieces) == expected


def test_changed_template_is_told_and_not_shown(tmp_path):
    user = "{{% block user %}}{}{{{{ question }}}}{{% endblock %}}"
    sent = source(tmp_path, user.format("a"), changed=user.format("b")).sent("1+1?")
    assert sent["messages"] == [] and "it has changed since" in sent["note"]
    assert source(tmp_path, user.format("c")).sent(None)["note"] == "The question is not stored."


def test_shipped_template_is_found_by_its_digest(tmp_path):
    shipped = load_prompt("explore")
    sent = source(tmp_path, shipped.source, changed="{% block user %}other{% endblock %}").sent("1+1?")
    assert [m["pieces"][0] for m in sent["messages"]] == [{"question": True}]
