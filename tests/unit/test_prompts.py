"""Prompts: rendering, digests, and what a bad template is told."""

import pytest

from configs.schema import UserError
from tasks.prompts.references import Reference
from tasks.prompts.render import Prompt, load_prompt


def test_shipped_prompts_render_question_and_references():
    [message] = load_prompt("explore").render("What is 1+1?")
    assert message.role == "user"
    assert message.content.startswith("What is 1+1?")
    [message] = load_prompt("synthesize").render("Q", (Reference(1, "first", 1), Reference(2, "second", 3)))
    assert "2 reference solutions" in message.content
    assert (
        message.content.index("first")
        < message.content.index("given 3 times")
        < message.content.index("second")
    )


def test_synthesize_renders_without_references():
    assert "## Reference" not in load_prompt("synthesize").render("Q")[0].content


def test_model_text_is_never_evaluated():
    text = "{{ 7 * 7 }} {% for x in [] %} <b>"
    [message] = load_prompt("synthesize").render("Q", (Reference(1, text, 1),))
    assert text in message.content


def test_system_block_comes_first(tmp_path):
    file = tmp_path / "mine.jinja"
    file.write_text("{% block user %}{{ question }}{% endblock %}{% block system %}Be brief.{% endblock %}")
    messages = load_prompt(str(file)).render("Q")
    assert [(m.role, m.content) for m in messages] == [("system", "Be brief."), ("user", "Q")]


def test_digest_follows_the_source():
    assert Prompt("a", "x").digest == Prompt("b", "x").digest != Prompt("a", "y").digest


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{{ question }}", "define {% block user %}"),
        ("{% block user %}{{ question", "not a valid jinja2"),
        ("{% block user %}{{ problem }}{% endblock %}", "it may use `question` and `references`"),
        ("{% block user %}{% include 'x' %}{% endblock %}", "it may use"),
        ("{% block user %}{{ ''.__class__.__mro__ }}{% endblock %}", "it may use"),
    ],
)
def test_bad_template_is_told(tmp_path, source, said):
    file = tmp_path / "bad.jinja"
    file.write_text(source)
    with pytest.raises(UserError) as error:
        load_prompt(str(file)).render("Q")
    assert said in str(error.value)


def test_unknown_prompt_is_told_with_the_nearest():
    with pytest.raises(UserError, match=r"did you mean synthesize\?"):
        load_prompt("synthesise")
