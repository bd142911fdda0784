"""What can be seen of how a server renders prompts is kept with the run, and a change under the same name is told."""

import orjson
import pyarrow as pa
import pytest
from aiohttp import web
from endpoints.scripted import ScriptedEndpoint

from tasks.engines.rendered import SEEN, changed_lengths, changed_templates
from warehouse.manifest import Manifest, read_manifest, write_manifest
from warehouse.servers import ServerStats
from warehouse.store import Store

TEMPLATE = "<|user|>{user}<|end|>{think}<|assistant|>"


class Rendering(ScriptedEndpoint):
    """An endpoint that shows what it makes of messages, as vLLM does (or llama.cpp, or Ollama)."""

    template = TEMPLATE
    kind = "vllm"
    gives_texts = True

    def beside(self, app):
        if self.kind == "vllm":
            app.router.add_post("/tokenize", self._tokenize)
        elif self.kind == "llama.cpp":
            app.router.add_get("/props", self._props)
        elif self.kind == "ollama":
            app.router.add_post("/api/show", self._show)

    async def _props(self, _):
        return web.json_response({"chat_template": self.template, "total_slots": 4})

    async def _show(self, _):
        return web.json_response({"template": self.template, "details": {}})

    async def _tokenize(self, request):
        body = await request.json()
        if any(message["role"] == "system" for message in body["messages"]):
            return web.json_response({"error": {"message": "no system role"}}, status=400)
        thinks = body.get("chat_template_kwargs", {}).get("enable_thinking", True)
        text = self.template.format(
            user=body["messages"][-1]["content"], think="" if thinks else "<think></think>"
        )
        texts = text.replace(" ", " \u0120").split(" ")  # as tokenizers of bytes write a space
        numbers = [sum(word.encode()) for word in texts]
        return web.json_response(
            {"count": len(texts), "tokens": numbers} | ({"token_strs": texts} if self.gives_texts else {})
        )


def digest_of(kind="vllm", template=TEMPLATE, **settings):
    """The digest in the stats of an engine that was started and closed."""
    import asyncio

    from configs.engines import OpenAISettings
    from configs.models import Model
    from tasks.engines.openai.engine import OpenAIEngine

    served = Rendering(**{name: settings.pop(name) for name in ("key",) if name in settings})
    served.kind, served.template = kind, template
    served.gives_texts = settings.pop("gives_texts", True)
    with served:
        form = OpenAISettings(kind="openai", base_url=served.base_url, patience_seconds=1, **settings)

        async def run():
            engine = OpenAIEngine(Model(id="small"), form)
            await engine.start()
            return await engine.close()

        [stats] = asyncio.run(run())
        assert served.requests == [], "nothing is generated"
        return stats.template_digest


@pytest.mark.parametrize("kind", ["vllm", "llama.cpp", "ollama"])
def test_digest_follows_the_template(kind):
    first = digest_of(kind)
    assert len(first) == 16 and digest_of(kind) == first
    assert digest_of(kind, TEMPLATE.replace("<|user|>", "<|user|>\n")) != first


def test_digest_sees_what_thinking_changes_and_no_date():
    assert digest_of(template=TEMPLATE.replace("{think}", "")) != digest_of()
    dated = "Today is Monday, 5 Jan 2026. " + TEMPLATE
    assert digest_of(template=dated) == digest_of(template=dated.replace("Monday, 5 Jan", "Friday, 12 June"))
    assert digest_of(gives_texts=False) == digest_of(gives_texts=False) != digest_of()


def test_a_provider_is_not_asked_and_a_server_that_shows_nothing_has_no_digest():
    assert digest_of("nothing") is None
    assert digest_of(dialect="openai") is None


def _stats(**digests):
    return [
        ServerStats(f"http://{url}/v1", "small", template_digest=digest) for url, digest in digests.items()
    ]


@pytest.fixture
def store(tmp_path):
    """A root with one run of the model small."""
    held = {
        "run_id": "20260101T000000-x-00000000",
        "experiment": "x",
        "status": "complete",
        "started_at": "2026-01-01T00:00:00Z",
        "finished_at": "2026-01-01T00:00:00Z",
        "benchmark": "b",
        "num_problems": 1,
        "grader": "math-1",
        "stages": {},
        "config": {},
        "versions": {},
        "servers": [{"url": "http://a/v1", "model": "small", "template_digest": "aa"}],
    }
    store = Store(str(tmp_path / "root"))
    write_manifest(store, Manifest.read(orjson.dumps(held)))
    later = held | {
        "run_id": "20260102T000000-x-00000000",
        "servers": [{"url": "http://a/v1", "model": "other"}],
    }
    write_manifest(store, Manifest.read(orjson.dumps(later)))
    return store


def test_template_of_the_run_before_is_compared_by_the_model_s_name(store):
    assert changed_templates(store, _stats(a="aa")) == changed_templates(store, _stats(b="aa")) == []
    assert changed_templates(store, _stats(a=None)) == changed_templates(store, []) == []
    [told] = changed_templates(store, _stats(a="bb"))
    assert (
        "small: its chat template or tokenizer is not that of 20260101T000000-x-00000000 (digest aa, now bb"
        in told
    )
    [told] = changed_templates(store, _stats(a="aa", b="bb"))
    assert "render prompts in different ways (aa at http://a/v1, bb at http://b/v1)" in told


def test_equal_prompts_of_different_length_are_told():
    rows = [
        ("p", [], 31),
        ("p", [], 31),
        ("q", [], 40),
        ("q", ["t1"], 90),
        ("q", ["t2"], 95),
        ("r", [], None),
    ]
    assert changed_lengths("explore", pa.table(dict(zip(SEEN, zip(*rows, strict=True), strict=True)))) is None
    rows += [("p", [], 35)]
    told = changed_lengths("explore", pa.table(dict(zip(SEEN, zip(*rows, strict=True), strict=True))))
    assert (
        "explore: equal prompts were counted with different numbers of tokens (1 of 4; the first with 31 and 35)"
        in told
    )
    assert changed_lengths("explore", pa.table({})) is None


def test_run_on_record_warns_of_a_template_that_changed(experiment_data, tmp_path):
    from made_run import Made, finish_run

    def rendered(digest):
        return lambda run: setattr(run, "servers", _stats(a=digest))

    def made(*_):
        return Made("\\boxed{1}", "correct", "1")

    for number, digest in enumerate(["aa", "aa", "bb"]):
        store = finish_run(experiment_data, tmp_path / "root", f"run-{number}", made, rendered(digest))
    warnings = [read_manifest(store, f"run-{number}").warnings for number in range(3)]
    assert warnings[:2] == [(), ()]
    assert "is not that of run-1 (digest aa, now bb at http://a/v1)" in warnings[2][0]
