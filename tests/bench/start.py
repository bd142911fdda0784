"""What starting costs: commands, a run with nothing to do, ten problems cold and beside `a2r up`, Ctrl-C.

    python tests/bench/start.py                 medians of 7
    python tests/bench/start.py --repeat 3

Ratios are taken in one run, against `python -c "import prefect"` on the same machine at the same time. What a sample
costs beside a plain client is in tests/bench/pipeline.py, what a shard costs in tests/bench/shards.py.
"""

import argparse
import json
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from endpoints.operating import free_port
from endpoints.scripted import ScriptedEndpoint
from endpoints.terminals import Terminal

A2R = (sys.executable, "-c", "from flows.cli import main; main()")
SLOW = """
name: slow
benchmark: {{source: file, path: {path}, question: problem, answer: answer}}
explorer:
  model: {{id: small}}
  engine: {{kind: openai, base_url: "{url}", concurrency: 4, samples_per_request: 1}}
  sampling: {{n: 100}}
"""
ENGINE = (
    "select epoch(max(started_at + to_microseconds((latency_seconds * 1e6)::bigint)) - min(started_at)) as seconds "
    "from samples where run_id = (select run_id from runs order by started_at desc limit 1)"
)


def spent(*command: str) -> tuple[float, float]:
    """Wall and CPU seconds of a command, its children's included."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in {0, 3}:
        raise SystemExit(done.stderr)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def told(what: str, wall: float, cpu: float | None = None, base: tuple[float, float] | None = None) -> None:
    """One line: wall and CPU seconds, and their ratios to those of importing Prefect."""
    text = f"{what:<52} wall {wall:6.2f} s"
    if cpu is not None:
        text += f"   CPU {cpu:6.2f} s"
    if base and cpu is not None:
        text += f"   ÷ import prefect: wall {wall / base[0]:.2f}, CPU {cpu / base[1]:.2f}"
    print(text, flush=True)


def median(samples: list[tuple[float, float]]) -> tuple[float, float]:
    """The medians of walls and of CPU seconds."""
    walls, cpus = zip(*samples, strict=True)
    return statistics.median(walls), statistics.median(cpus)


def commands(root: str, repeat: int) -> None:
    """Commands that answer at once, and the run with nothing to do, each beside the import of Prefect."""
    spent(*A2R, "run", "quickstart", "--root", root)
    asked = {
        "a2r run quickstart, nothing missing": ("run", "quickstart", "--root", root),
        "a2r --help": ("--help",),
        'a2r sql "select 1"': ("sql", "select 1", "--root", root),
        "a2r show": ("show", "sum3-0-0000", "--root", root),
        "a2r compare": ("compare", "quickstart~1", "quickstart", "--root", root),
    }
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in ("import prefect", *asked)}
    for _ in range(repeat):
        taken["import prefect"].append(spent(sys.executable, "-c", "import prefect"))
        for name, arguments in asked.items():
            taken[name].append(spent(*A2R, *arguments))
    base = median(taken["import prefect"])
    for name, samples in taken.items():
        told(name, *median(samples), base=base)


def shards(folder: Path, repeat: int) -> None:
    """A run of 500 shards again, all stored, less the same of 20."""
    cells: dict[int, list[tuple[float, float]]] = {}
    for count in (20, 500):
        run = (*A2R, "run", "quickstart", "--root", str(folder / f"shards{count}"))
        settings = (f"benchmark.count={count}", "execution.shard_size=4", "explorer.sampling.max_tokens=40")
        command = [*run, *(word for setting in settings for word in ("--set", setting))]
        spent(*command)
        cells[count] = [spent(*command) for _ in range(repeat)]
    few, many = median(cells[20]), median(cells[500])
    told("500 shards again, less 20 shards again", many[0] - few[0], many[1] - few[1])


def ten(folder: Path, name: str, repeat: int, root: str | None = None) -> None:
    """Ten problems on the embedded engine, less the time from its first request to its last answer."""
    samples = []
    for number in range(repeat):
        place = root or str(folder / f"{name}{number}")
        seed = ("--set", f"explorer.sampling.seed={number}", "--set", f"synthesizer.sampling.seed={number}")
        wall, cpu = spent(*A2R, "run", "quickstart", "--limit", "10", "--root", place, *seed)
        asked = subprocess.run(
            [*A2R, "sql", ENGINE, "--root", place, "--format", "json"],
            capture_output=True,
            text=True,
            check=True,
        )
        samples.append((wall - json.loads(asked.stdout)[0]["seconds"], cpu))
    told(f"ten problems, {name}: wall beyond the engine's", *median(samples))


def beside_up(folder: Path, repeat: int) -> None:
    """The same beside a running `a2r up`."""
    root, port = str(folder / "served"), free_port()
    command = [*A2R, "up", "--port", str(port), "--root", root]
    up = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        for line in up.stdout or ():
            if "Running until" in line:
                break
        ten(folder, "beside a2r up", repeat, root)
    finally:
        up.send_signal(signal.SIGINT)
        up.wait(120)


def ctrl_c(folder: Path, repeat: int) -> None:
    """From Ctrl-C in a terminal, while requests are out, to the prompt; and from the start to the first byte."""
    problems = folder / "problems.jsonl"
    problems.write_text(
        "".join(json.dumps({"problem": f"{i} + 1 ?", "answer": str(i + 1)}) + "\n" for i in range(100))
    )
    stops, firsts = [], []
    for number in range(repeat):
        with ScriptedEndpoint(latency=0.2) as endpoint:
            config = folder / "slow.yaml"
            config.write_text(SLOW.format(path=problems, url=endpoint.base_url))
            with Terminal(*A2R, "run", config, "--root", folder / f"stopped{number}") as terminal:
                terminal.until(lambda: len(endpoint.requests) >= 20)
                terminal.ctrl_c()
                stops.append(terminal.ended(300))
                firsts.append(terminal.first_seconds)
    told("Ctrl-C, prompt back", statistics.median(stops))
    told("first line on the screen", statistics.median(firsts))


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeat", type=int, default=7)
    repeat = parser.parse_args().repeat
    with tempfile.TemporaryDirectory(prefix="a2r-start-") as place:
        folder = Path(place)
        for name in [name for name in os.environ if name.startswith(("PREFECT_", "A2R_"))]:
            del os.environ[name]
        os.environ["PREFECT_HOME"] = str(folder / "prefect")
        commands(str(folder / "root"), repeat)
        ten(folder, "cold", repeat)
        beside_up(folder, repeat)
        shards(folder, repeat)
        ctrl_c(folder, repeat)


if __name__ == "__main__":
    main()
