"""In-process vLLM measured against bare `LLM.generate`, and what sharing prompts saves.

    .venv-vllm/bin/python tests/vllm/bench.py --only overhead,prefix

`overhead`: 2,000 requests of the explorer through the pipeline (first request handed over to last part
on disk) against `LLM.generate` over the same prompts, settings and seeds (the call alone). `prefix`:
8 samples a prompt as one request of n = 8 and as 8 requests with seeds of their own, prompts shared and
not, and the synthesizer's prompt with its common part first and last. Run on a quiet machine.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ |= {
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "HF_HUB_OFFLINE": "1",
    "VLLM_LOGGING_LEVEL": "WARNING",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
}

MODELS = Path(__file__).parents[2] / "tasks" / "models"
ARGS = {
    "dtype": "float32",
    "max_model_len": 640,
    "max_num_seqs": 64,
    "enforce_eager": True,
    "gpu_memory_utilization": 0.1,
    "enable_chunked_prefill": False,
}
PROBLEMS, N = 500, 4
TOKENS = 96
"""Of every answer, so that 2,000 take long enough to be told from noise."""


def told(name, value):
    print(f"{name:64}{value}", flush=True)


def pipeline(folder):
    """Seconds from the first request to the last part; whole wall seconds; the traces' seeds and texts."""
    import pyarrow.parquet as pq

    config = folder / "bench.yaml"
    engine = json.dumps({"kind": "vllm", "args": ARGS})
    config.write_text(
        "name: bench\n"
        f"benchmark: {{source: generated, family: sum3, count: {PROBLEMS}}}\n"
        "explorer:\n"
        "  model: {id: a2r-sum3-explorer, revision: shipped}\n"
        f"  engine: {engine}\n"
        "  prompt: explore-small\n"
        f"  sampling: {{n: {N}, temperature: 1.0, max_tokens: {TOKENS}, extra: {{ignore_eos: true}}}}\n"
        "grader: {kind: exact}\n"
    )
    command = [
        str(Path(sys.executable).with_name("a2r")),
        "explore",
        str(config),
        "--root",
        str(folder / "root"),
    ]
    environment = os.environ | {"PREFECT_HOME": str(folder / "prefect")}
    environment["PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS"] = "300"
    began = time.time()
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    wall = time.time() - began
    parts = list((folder / "root" / "traces" / "stage=explore").glob("recipe=*/part-*.parquet"))
    rows = [row for part in parts for row in pq.read_table(part).to_pylist()]
    first = min(row["started_at"] for row in rows).timestamp()
    return max(part.stat().st_mtime for part in parts) - first, wall, rows


def overhead(repetitions):
    """The pipeline's wall over bare `LLM.generate`'s, the same requests."""
    from vllm import LLM, SamplingParams

    from configs.experiment import GeneratedBenchmark
    from tasks.benchmarks.families.draw import problems
    from tasks.prompts.render import load_prompt

    prompt, llm = load_prompt("explore-small"), None
    ours, walls, bare = [], [], []
    for _ in range(repetitions):
        with tempfile.TemporaryDirectory() as made:
            seconds, wall, rows = pipeline(Path(made))
        ours.append(seconds)
        walls.append(wall)
        llm = llm or LLM(str(MODELS / "a2r-sum3-explorer"), seed=0, **ARGS)
        encoded = [
            llm.get_tokenizer().apply_chat_template(
                [{"role": m.role, "content": m.content} for m in prompt.render(puzzle.question)],
                add_generation_prompt=True,
                return_dict=False,
            )
            for puzzle in problems(GeneratedBenchmark(source="generated", count=PROBLEMS))
        ]
        assert len(encoded) * N == len(rows)
        requests = [{"prompt_token_ids": ids} for ids in encoded for _ in range(N)]
        params = [
            SamplingParams(temperature=1.0, max_tokens=TOKENS, ignore_eos=True, seed=row["seed"])
            for row in rows
        ]
        llm.reset_prefix_cache()
        began = time.perf_counter()
        outputs = llm.generate(requests, params, use_tqdm=False)
        bare.append(time.perf_counter() - began)
    tokens = sum(len(o.outputs[0].token_ids) for o in outputs)
    told("requests; tokens of bare LLM.generate, of the pipeline",
         f"{len(rows)}; {tokens:,}, {sum(row['num_completion_tokens'] for row in rows):,}")  # fmt: skip
    told("bare LLM.generate, seconds", " ".join(f"{s:.2f}" for s in bare))
    told("pipeline, first request to last part, seconds", " ".join(f"{s:.2f}" for s in ours))
    told("  ratio, one behind the other; of the medians (at most 1.05)",
         " ".join(f"{o / b:.3f}" for o, b in zip(ours, bare, strict=True)) + f"; {median(ours) / median(bare):.3f}")  # fmt: skip
    told("whole command, seconds: with Prefect, loading and closing", " ".join(f"{s:.1f}" for s in walls))
    return llm


def prefix(llm):
    """What sharing a prompt saves, by how its samples are asked for and how it is ordered."""
    from vllm import LLM, SamplingParams

    llm = llm or LLM(str(MODELS / "a2r-sum3-explorer"), seed=0, **ARGS)
    draw = random.Random(0)

    def text(length):
        return [draw.randrange(4, 30) for _ in range(length)]

    def spent(name, prompts, params):
        llm.reset_prefix_cache()
        began = time.perf_counter()
        outputs = llm.generate(prompts, params, use_tqdm=False)
        seconds = time.perf_counter() - began
        read = sum(len(o.prompt_token_ids) * len(o.outputs) for o in outputs)
        saved = sum((o.num_cached_tokens or 0) for o in outputs)
        share = f"{saved / read:.0%} of prompt tokens cached" if len(outputs[0].outputs) == 1 else ""
        told(f"  {name}", f"{seconds:6.2f} s  {share}")

    def params(seed, n=1):
        return SamplingParams(temperature=1.0, max_tokens=16, min_tokens=16, seed=seed, n=n)

    base = [text(512) for _ in range(60)]
    told("60 prompts of 512 tokens, 8 samples of 16 tokens each", "")
    spent("one request of n = 8", [{"prompt_token_ids": p} for p in base], [params(1, 8)] * len(base))
    eight = [(p, i) for p in base for i in range(8)]
    spent("8 requests, seeds of their own, one behind the other",
          [{"prompt_token_ids": p} for p, _ in eight], [params(i) for _, i in eight])  # fmt: skip
    spent("8 requests, nothing shared",
          [{"prompt_token_ids": p, "cache_salt": f"{j}"} for j, (p, _) in enumerate(eight)],
          [params(i) for _, i in eight])  # fmt: skip
    common = text(192)
    told("120 synthesizer prompts: 192 common tokens, 320 of their own, 4 samples each", "")
    own = [text(320) for _ in range(120)]
    for name, order in (
        ("common part first", lambda o: common + o),
        ("common part last", lambda o: o + common),
    ):
        four = [({"prompt_token_ids": order(o)}, i) for o in own for i in range(4)]
        spent(f"{name}, samples of a problem together", [p for p, _ in four], [params(i) for _, i in four])
        one = [({"prompt_token_ids": order(o)}, 0) for o in own]
        spent(f"{name}, one sample a problem", [p for p, _ in one], [params(i) for _, i in one])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="overhead,prefix")
    parser.add_argument("--repetitions", type=int, default=3)
    options = parser.parse_args()
    llm = overhead(options.repetitions) if "overhead" in options.only else None
    if "prefix" in options.only:
        prefix(llm)


if __name__ == "__main__":
    main()
