"""The embedded engine against an oracle, and its promises: seeded, batch-invariant, honest about limits."""

import asyncio
import shutil

import numpy as np
import pytest
from numpy_qwen3 import Oracle
from tokenizers import Tokenizer

from configs.engines import OnnxSettings
from configs.experiment import GeneratedBenchmark
from configs.models import Model
from configs.sampling import Sampling
from tasks.benchmarks.families.draw import problems
from tasks.engines.onnx.chat import ChatFormat
from tasks.engines.onnx.decoder import Decoder
from tasks.engines.onnx.engine import OnnxEngine
from tasks.engines.onnx.model_folder import model_folder, weights_digest
from tasks.engines.onnx.sampler import Sampler
from tasks.engines.protocol import EngineError, Message, Request
from tasks.engines.weights import MODELS

FOLDERS = sorted(path for path in MODELS.iterdir() if path.is_dir())
EXPLORER = MODELS / "a2r-sum3-explorer"
QUESTIONS = [p.question for p in problems(GeneratedBenchmark(source="generated", count=12))]


def request(question, *seeds, **sampling):
    return Request(
        messages=(Message("user", question),),
        sampling=Sampling(**{"temperature": 1.0, "max_tokens": 48, **sampling}),
        seeds=seeds,
        question=question,
        sample_indexes=tuple(range(len(seeds))),
    )


def complete(*requests, folder=EXPLORER, **settings):
    async def run():
        engine = OnnxEngine(Model(id=folder.name), OnnxSettings(kind="onnx", path=str(folder), **settings))
        await engine.start()
        try:
            held = [{} for _ in requests]
            await asyncio.gather(
                *(engine.complete(r, h.__setitem__) for r, h in zip(requests, held, strict=True))
            )
            return [[h[place] for place in sorted(h)] for h in held]
        finally:
            await engine.close()

    return asyncio.run(run())


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_logits_are_the_oracles(folder):
    oracle, decoder, chat = Oracle(folder), Decoder(folder, 3, 1), ChatFormat(folder)
    prompts = [chat.encode([Message("user", question)]) for question in QUESTIONS[:3]]
    prompts[1] = prompts[1][:-7]
    made = decoder.prefill(prompts, [[0], [1], [2]])
    for row, prompt in enumerate(prompts):
        np.testing.assert_allclose(made[row], oracle.logits(prompt), atol=2e-4)
    lengths = np.array([len(prompt) for prompt in prompts], np.int32)
    following = made.argmax(1)
    again = decoder.decode(following, lengths)
    for row, prompt in enumerate(prompts):
        np.testing.assert_allclose(again[row], oracle.logits([*prompt, int(following[row])]), atol=2e-4)


def test_greedy_texts_are_the_oracles():
    oracle, chat = Oracle(EXPLORER), ChatFormat(EXPLORER)
    made = complete(*(request(question, 0, temperature=0) for question in QUESTIONS[:4]))
    for question, [done] in zip(QUESTIONS, made, strict=False):
        expected = oracle.greedy(chat.encode([Message("user", question)]), chat.ends, 48)
        assert done.answer == chat.decode(expected)


def test_mean_logprob_is_the_oracles_whatever_the_temperature():
    oracle, chat = Oracle(EXPLORER), ChatFormat(EXPLORER)
    tokenizer = Tokenizer.from_file(str(EXPLORER / "tokenizer.json"))
    asked = request(QUESTIONS[0], 0, 1, temperature=0.5)
    for done in complete(asked, logprobs=True)[0]:
        tokens, total = chat.encode([Message("user", QUESTIONS[0])]), 0.0
        drawn = [*tokenizer.encode(done.answer, add_special_tokens=False).ids, min(chat.ends)]
        assert len(drawn) == done.num_completion_tokens
        for token in drawn:
            logits = oracle.logits(tokens)
            total += logits[token] - np.logaddexp.reduce(logits)
            tokens.append(token)
        assert done.mean_logprob == pytest.approx(total / len(drawn), abs=1e-3)
    assert [done.mean_logprob for done in complete(asked)[0]] == [None, None]


def test_group_confidence_is_that_of_the_oracles_likeliest_tokens():
    oracle, chat = Oracle(EXPLORER), ChatFormat(EXPLORER)
    tokenizer = Tokenizer.from_file(str(EXPLORER / "tokenizer.json"))
    for done in complete(request(QUESTIONS[0], 0, 1, temperature=0.5), top_logprobs=4)[0]:
        tokens, confidences = chat.encode([Message("user", QUESTIONS[0])]), []
        drawn = [*tokenizer.encode(done.answer, add_special_tokens=False).ids, min(chat.ends)]
        for token in drawn:
            logits = oracle.logits(tokens)
            confidences.append(np.logaddexp.reduce(logits) - np.sort(logits)[-4:].mean())
            tokens.append(token)
        assert done.group_confidence == pytest.approx(np.mean(confidences), abs=1e-3)
        assert done.mean_logprob is not None
    assert [done.group_confidence for done in complete(request(QUESTIONS[0], 0), logprobs=True)[0]] == [None]


def test_sample_depends_on_its_seed_alone():
    alone = [complete(request(question, 5))[0][0].answer for question in QUESTIONS[:4]]
    for batch_size in (2, 5, 64):
        crowd = complete(
            *(request(question, 5, 6, 7) for question in reversed(QUESTIONS)), batch_size=batch_size
        )[::-1]
        assert [samples[0].answer for samples in crowd[:4]] == alone


def test_seeds_differ_and_repeat():
    first, again = (
        [
            [done.answer for done in samples]
            for samples in complete(*(request(q, *range(16)) for q in QUESTIONS))
        ]
        for _ in range(2)
    )
    assert first == again
    assert max(len(set(answers)) for answers in first) > 2  # of some questions it is certain


def test_draws_follow_the_distribution():
    logits = np.log(np.array([[0.5, 0.3, 0.15, 0.05]] * 4000, np.float32))
    slots = np.arange(4000)

    def shares(**sampling):
        sampler = Sampler(4000)
        for slot in slots:
            sampler.seat(slot, Sampling(max_tokens=1, **sampling), int(slot))
        drawn = sampler.draw(logits, slots, np.zeros(4000, np.int64))
        return np.bincount(drawn, minlength=4) / 4000

    np.testing.assert_allclose(shares(), [0.5, 0.3, 0.15, 0.05], atol=0.03)
    np.testing.assert_allclose(shares(top_k=2), [0.625, 0.375, 0, 0], atol=0.03)
    np.testing.assert_allclose(shares(top_p=0.7), [0.625, 0.375, 0, 0], atol=0.03)
    np.testing.assert_allclose(shares(min_p=0.25), [0.526, 0.316, 0.158, 0], atol=0.03)
    squared = np.array([0.25, 0.09, 0.0225, 0.0025])
    np.testing.assert_allclose(shares(temperature=0.5), squared / squared.sum(), atol=0.03)
    assert shares(temperature=0)[0] == 1


def test_limit_cuts_and_says_so():
    [[done]] = complete(request(QUESTIONS[0], 1, max_tokens=5))
    assert (done.finish_reason, done.num_completion_tokens) == ("length", 5)


def test_stop_string_ends_before_itself():
    [[done]] = complete(request(QUESTIONS[0], 1, stop=("=",)))
    assert done.finish_reason == "stop"
    assert "=" not in done.answer and "+" in done.answer


def test_prompt_tokens_are_billed_once_a_request():
    [done] = complete(request(QUESTIONS[0], 1, 2, 3))
    assert [bool(d.num_billed_prompt_tokens) for d in done] == [True, False, False]
    assert len({d.num_prompt_tokens for d in done}) == 1


def test_prompt_that_does_not_fit_is_a_failure():
    [[failed]] = complete(request("1," * 600, 1))
    assert failed.code == "context_overflow"


@pytest.mark.parametrize("sampling", [{"repetition_penalty": 1.1}, {"extra": {"logit_bias": 1}}])
def test_unknown_setting_is_refused(sampling):
    with pytest.raises(EngineError, match="onnx engine"):
        complete(request(QUESTIONS[0], 1, **sampling))


def test_missing_model_names_those_shipped():
    with pytest.raises(EngineError, match="a2r-sum3-explorer"):
        model_folder(Model(id="nope"), OnnxSettings(kind="onnx"))


def test_incomplete_folder_names_what_it_lacks(tmp_path):
    shutil.copytree(EXPLORER, tmp_path / "m")
    (tmp_path / "m" / "model.onnx").unlink()
    with pytest.raises(EngineError, match=r"lacks model\.onnx"):
        model_folder(Model(id="m"), OnnxSettings(kind="onnx", path=str(tmp_path / "m")))


def test_other_weights_are_another_revision(tmp_path):
    copy = tmp_path / "m"
    shutil.copytree(EXPLORER, copy)
    assert weights_digest(copy) == weights_digest(EXPLORER)
    other = tmp_path / "other"
    shutil.copytree(EXPLORER, other)
    (other / "tokenizer_config.json").write_text((copy / "tokenizer_config.json").read_text() + " ")
    assert weights_digest(other) != weights_digest(EXPLORER)
