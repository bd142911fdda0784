"""A training for real, on the smallest plan: needs torch, and is run by `make test-vllm` beside vLLM.

Every job, nothing trained twice, a killed job that resumes, and weights that say the same in torch, onnxruntime
and transformers.
"""

import asyncio
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import orjson
import pytest

from configs.engines import OnnxSettings
from configs.experiment import GeneratedBenchmark
from configs.models import Model
from configs.sampling import Sampling
from configs.training import load_training
from tasks.benchmarks.families.draw import problems
from tasks.engines.onnx.engine import OnnxEngine
from tasks.engines.protocol import Message, Request
from tasks.research.training.jobs import jobs_of, reference_problems

torch = pytest.importorskip("torch")
torch.set_num_threads(1)

A2R = str(Path(sys.executable).with_name("a2r"))
NUM_PROMPTS = 150
SHIPPED = ["a2r-sum3-explorer", "a2r-sum3-synthesizer", "a2r-sum3-explorer-m", "a2r-bill-explorer"]


def train(config, root):
    """One `a2r train`, with a Prefect of its own: this environment's may be another version than the user's."""
    environment = os.environ | {"PREFECT_HOME": str(root.parent / "prefect")}
    environment["PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS"] = "300"
    command = [A2R, "train", str(config), "--root", str(root), "--json"]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    root = tmp_path_factory.mktemp("trained") / "root"
    done = train("tiny", root)
    assert done.returncode == 0, done.stderr[-3000:]
    return root, json.loads(done.stdout)


def test_every_job_leaves_a_model_and_its_record(trained):
    root, report = trained
    jobs = jobs_of(load_training("tiny"))
    assert report["status"] == "complete"
    assert [model["model"] for model in report["models"]] == [job.name for job in jobs]
    for job in jobs:
        record = orjson.loads((job.folder(str(root)) / "training.json").read_bytes())
        assert record["lesson"] == job.model_dump(mode="json")
        budget = {"reinforced": 2, "explorer": 32}.get(job.kind, 8)
        assert record["num_steps"] == budget
        assert record["curve"][-1]["num_steps"] == budget
        assert not (job.folder(str(root)) / "checkpoint.pt").exists()


def test_training_made_again_trains_and_samples_nothing(trained):
    root, report = trained
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*.safetensors")}
    parts = sorted(root.glob("traces/**/part-*.parquet"))
    done = train("tiny", root)
    assert json.loads(done.stdout) == report
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*.safetensors")} == before
    assert sorted(root.glob("traces/**/part-*.parquet")) == parts


def test_synthesizers_read_what_the_pipeline_stored(trained):
    from tasks.research.training.job_data import answered_puzzles, reading_prompt

    root, _ = trained
    [job] = [job for job in jobs_of(load_training("tiny")) if (job.kind, job.size) == ("synthesizer", "b")]
    answered = answered_puzzles(job, str(root), "train")
    assert len(answered) == job.training.references.num_problems
    puzzle, texts = next(pair for pair in answered if pair[1])
    assert (
        reading_prompt(puzzle.question, texts[:1])
        == f"Problem:{puzzle.question}\nReference1:{texts[0].strip()}"
    )


def test_killed_job_resumes_from_its_checkpoint(tmp_path):
    from tasks.research.training import checkpoint

    plan = load_training("tiny").model_dump(mode="json")
    plan |= {"explorers": ["a"], "synthesizers": ["a"], "headline": ["a", "a"], "longer_examples": 0}
    plan |= {"reinforcement": None}
    plan["explorer"] |= {"num_examples": 64 * 16 * 10}
    file = tmp_path / "plan.yaml"
    file.write_text(json.dumps(plan))
    [job, *_] = jobs_of(load_training(str(file)))
    folder = job.folder(str(tmp_path / "root"))
    folder.mkdir(parents=True)
    often = (
        "import sys; from tasks.research.training import checkpoint, trainer; "
        "checkpoint.SECONDS_BETWEEN_CHECKPOINTS = 0.0; "
        "trainer.run_job(trainer.TrainingJob.model_validate_json(sys.stdin.buffer.read()), sys.argv[1])"
    )
    process = subprocess.Popen([sys.executable, "-c", often, str(tmp_path / "root")], stdin=subprocess.PIPE)
    process.stdin.write(job.model_dump_json().encode())
    process.stdin.close()
    until = time.monotonic() + 120
    while not (folder / "checkpoint.pt").exists() and time.monotonic() < until:
        assert process.poll() is None
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    kept = torch.load(folder / "checkpoint.pt", weights_only=True)["progress"][0]
    assert 0 < kept < 160
    assert not job.is_done(str(tmp_path / "root"))
    assert checkpoint.SECONDS_BETWEEN_CHECKPOINTS == 60.0
    again = subprocess.run(
        [sys.executable, "-m", "tasks.research.training.trainer", str(tmp_path / "root")],
        env=os.environ | {"OMP_NUM_THREADS": "2"},
        input=job.model_dump_json().encode(),
        check=True,
        capture_output=True,
    )
    assert job.is_done(str(tmp_path / "root"))
    record = orjson.loads((folder / "training.json").read_bytes())
    assert record["num_steps"] == 160
    assert "2 threads of" in record["machine"]
    assert again.stdout.count(b"%") == len([p for p in record["curve"] if p["num_steps"] > kept])


def test_limited_problems_come_again_in_another_order_and_are_never_those_sampled():
    from tasks.research.training.job_data import plain_examples, plain_prompt

    form = load_training("tiny")
    limited = form.model_copy(update={"explorer_problems": 300})
    explorer, longer = (
        next(job for job in jobs_of(limited) if (job.kind, job.size) == (kind, "b"))
        for kind in ("explorer", "longer")
    )
    asked = {plain_prompt(p.question) for p in problems(reference_problems(explorer, "train"))}
    drawn = [example.prompt for block in range(6) for example in plain_examples(explorer)(block, 100)]
    assert len(set(drawn[:300])) == 300
    assert set(drawn[:300]) == set(drawn[300:])
    assert drawn[:300] != drawn[300:]
    assert not asked & set(drawn)
    assert {example.prompt for example in plain_examples(longer)(0, 340)} == asked | set(drawn)
    fresh = {example.prompt for block in range(6) for example in plain_examples(jobs_of(form)[0])(block, 100)}
    assert len(fresh) > 300


def test_step_without_a_value_leaves_the_mean_to_the_others(tmp_path):
    from tasks.research.training.checkpoint import TrainingProgress

    progress = TrainingProgress(tmp_path / "checkpoint.pt", num_planned_steps=3, num_evaluations=1)
    for measured in ({"entropy": 0.25, "loss": 1.0}, {"loss": float("nan")}, {"entropy": 0.75, "loss": 1.0}):
        progress.record_step(1, measured, dict)
    assert progress.curve[0]["entropy"] == 0.5
    assert math.isnan(progress.curve[0]["loss"]), "a training that diverged says so"


def test_interrupted_command_ends_its_jobs_at_once(tmp_path):
    """The signal goes to the command alone, as from a service manager; its jobs are in processes of their own."""
    plan = load_training("tiny").model_dump(mode="json")
    plan["explorer"] |= {"num_examples": 10_000_000}
    file = tmp_path / "plan.yaml"
    file.write_text(json.dumps(plan))
    root = tmp_path / "root"
    environment = os.environ | {"PREFECT_HOME": str(tmp_path / "prefect")}
    environment["PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS"] = "300"
    command = subprocess.Popen(
        [A2R, "train", str(file), "--root", str(root)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    )
    until = time.monotonic() + 300
    while not running_jobs(root) and time.monotonic() < until:
        assert command.poll() is None
        time.sleep(0.1)
    assert running_jobs(root)
    command.send_signal(signal.SIGINT)
    said, _ = command.communicate(timeout=60)
    assert command.returncode == 130, said
    assert not running_jobs(root)


def running_jobs(root):
    """Process ids of jobs of that root."""
    found = subprocess.run(
        ["pgrep", "-f", f"tasks.research.training.trainer {root}"], capture_output=True, check=False
    )
    return [int(line) for line in found.stdout.split()]


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_weights_say_the_same_in_torch_onnxruntime_and_transformers(name):
    """Greedy, on 150 prompts."""
    from tokenizers import Tokenizer
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from tasks.engines.weights import MODELS
    from tasks.research.training.model import load
    from tasks.research.training.sample import sample

    folder, limit = MODELS / name, 48
    family = name.split("-")[1]
    benchmark = GeneratedBenchmark(source="generated", family=family, count=NUM_PROMPTS)
    prompts = [problem.question for problem in problems(benchmark)]
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    drawn = sample(load(folder), tokenizer, prompts, max_tokens=limit, temperature=0.0, seed=0)
    written = [tokenizer.decode(ids) for ids in drawn]
    assert greedy_texts(folder, prompts, limit) == written

    theirs = AutoTokenizer.from_pretrained(folder, padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    chats = [
        theirs.apply_chat_template(
            [{"role": "user", "content": text}], add_generation_prompt=True, tokenize=False
        )
        for text in prompts
    ]
    batch = theirs(chats, return_tensors="pt", padding=True, return_token_type_ids=False)
    made = model.generate(**batch, max_new_tokens=limit, do_sample=False)
    completions = made[:, batch["input_ids"].shape[1] :].tolist()
    assert [tokenizer.decode(ids) for ids in completions] == written


def greedy_texts(folder, prompts, limit):
    """What the embedded engine writes, whole."""
    sampling = Sampling(temperature=0, max_tokens=limit)

    async def run():
        engine = OnnxEngine(Model(id=folder.name), OnnxSettings(kind="onnx", path=str(folder)))
        await engine.start()
        try:
            held = [{} for _ in prompts]
            await asyncio.gather(
                *(
                    engine.complete(
                        Request((Message("user", prompt),), sampling, (0,), prompt, (0,)), kept.__setitem__
                    )
                    for prompt, kept in zip(prompts, held, strict=True)
                )
            )
            return [kept[0] for kept in held]
        finally:
            await engine.close()

    return [
        done.answer if done.reasoning is None else f"<think>{done.reasoning}</think>{done.answer}"
        for done in asyncio.run(run())
    ]


def test_muon_of_many_matrices_is_torchs_of_one():
    from tasks.research.training.muon import Muon

    torch.manual_seed(0)
    ours = [torch.nn.Parameter(torch.randn(shape)) for shape in [(24, 24), (24, 24), (48, 24), (24, 8)]]
    torchs = [torch.nn.Parameter(p.detach().clone()) for p in ours]
    one = Muon(ours, 0.02)
    other = torch.optim.Muon(torchs, lr=0.02, weight_decay=0.0, adjust_lr_fn="original")
    for _ in range(5):
        for p, q in zip(ours, torchs, strict=True):
            p.grad = torch.randn(p.shape)
            q.grad = p.grad.clone()
        one.step()
        other.step()
        for p, q in zip(ours, torchs, strict=True):
            assert torch.allclose(p, q, atol=2e-3)  # torch's is in bf16


def test_step_at_a_share_of_the_peak_rates_is_that_share_of_a_step_at_the_peak():
    """What a GPU's graphs rely on."""
    from configs.training import Supervised
    from tasks.research.training.model import Qwen3, Qwen3Shape
    from tasks.research.training.optimizer_step import CudaGraphStep, OptimizerStep

    torch.manual_seed(0)
    models = [Qwen3(Qwen3Shape(32, 1, 1, 1, 64, 50)) for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    settings = Supervised(num_examples=10)
    plain, captured = OptimizerStep(models[0], settings), CudaGraphStep(models[1], settings, 0)
    for step in range(20):
        ids, targets = torch.randint(50, (8, 17)), torch.randint(50, (8, 17))
        rate = 0.1 + step / 25
        loss, _ = plain.take(ids, targets, rate)
        captured._rate.fill_(rate)
        assert captured._scaled(ids, targets).item() == pytest.approx(loss, rel=1e-3)
    for p, q in zip(models[0].parameters(), models[1].parameters(), strict=True):
        assert torch.allclose(p, q, atol=0.02)


def test_buffers_that_stay_write_what_growing_ones_do():
    """A GPU's sampling, without its graph, against a CPU's."""
    from tasks.engines.weights import MODELS
    from tasks.research.training import sample
    from tasks.research.training.job_data import TOKENIZER, reading_prompt
    from tasks.research.training.model import load

    model = load(MODELS / "a2r-sum3-synthesizer")
    held = problems(GeneratedBenchmark(source="generated", family="sum3", count=24, seed=3))
    reference = "19+32=51,51+10=61,\\boxed{19,32,10}"
    prompts = [reading_prompt(p.question, [reference] * (index % 4)) for index, p in enumerate(held)]
    grown = sample.sample(model, TOKENIZER, prompts, max_tokens=96, temperature=0, seed=0)
    encoded = [e.ids for e in TOKENIZER.encode_batch_fast([sample.chat(prompt) for prompt in prompts])]
    padded = sample._padded(encoded, max(map(len, encoded)) + 5, TOKENIZER.token_to_id(sample.PAD))
    writer = sample._GraphSampler(model, len(prompts), padded.ids.shape[1], 96, temperature=0)
    with torch.no_grad():
        for _ in range(2):  # buffers that were used before
            kept = writer.generate(padded, torch.Generator(), TOKENIZER.token_to_id(sample.END))
    assert kept == grown
    drawn = sample._GraphSampler(model, 4096, 1, 1, temperature=1.0)
    drawn._noise.exponential_(generator=torch.Generator().manual_seed(0))
    likely = torch.zeros(4096, model.shape.vocab_size)
    likely[:, :3] = torch.tensor([0.7, 0.2, 0.1])
    drawn._draw_tokens(likely.log())
    assert (drawn._token.bincount() / 4096).tolist() == pytest.approx([0.7, 0.2, 0.1], abs=0.03)
