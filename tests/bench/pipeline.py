"""Measure the whole pipeline against a naive client, in the same run on the same machine.

    make bench                     needs a C compiler and the benchmark kit (A2R_BENCH, else ../shared/bench)
    python tests/bench/pipeline.py --repetitions 3 --only cpu,span

The kit holds a fast fake endpoint (server/fakellm.c), a naive aiohttp client (clients/plain.py) and
500 problems. Every figure is printed with what it is a ratio of; CPU seconds are of the process and
all its children, the temporary Prefect server included.
"""

import argparse
import json
import math
import os
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from refusing import SECONDS

KIT = Path(os.environ.get("A2R_BENCH", Path(__file__).parents[3] / "shared" / "bench"))
A2R = Path(sys.executable).with_name("a2r")
NUM_PROBLEMS, CONCURRENCY = 500, 256


@dataclass(frozen=True)
class Spent:
    """What a command took: CPU and wall seconds, peak resident MiB of its largest process."""

    cpu: float
    wall: float
    peak: float


class Bench:
    """The endpoint under way and a folder for what is written."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port

    def reset(self, **settings: object) -> None:
        """Clear the endpoint's counters and set what is not the default."""
        defaults = {
            "latency_ms": 0,
            "capacity": 0,
            "fault_every": 0,
            "fault_kind": "mix",
            "chars": 2048,
            "hang_ms": 1000,
        }
        query = "&".join(f"{name}={value}" for name, value in (defaults | settings).items())
        urllib.request.urlopen(f"http://127.0.0.1:{self.port}/reset?{query}").read()

    def stats(self, samples: int = 8) -> dict:
        """The endpoint's counters."""
        return ask(self.port, f"/stats?samples={samples}")

    def a2r(self, root: str, n: int, *more: str) -> list[str]:
        """The command that explores, stores, grades and loads `n` samples of every problem."""
        config = self.folder / "bench.yaml"
        config.write_text(
            "name: bench\n"
            f"benchmark: {{source: file, path: {KIT}/problems.jsonl, question: problem, answer: answer, id: id}}\n"
            "explorer:\n"
            "  model: {id: fake}\n"
            f"  engine: {{kind: openai, base_url: 'http://127.0.0.1:{self.port}/v1', concurrency: {CONCURRENCY}, "
            "samples_per_request: 1, timeout_seconds: 30}\n"
            "  sampling: {n: 8, temperature: 1.0}\n"
        )
        overrides = [f"explorer.sampling.n={n}", *more]
        flags = [part for override in overrides for part in ("--set", override)]
        return [str(A2R), "run", str(config), "--root", str(self.folder / root), "--json", *flags]

    def naive(self, out: str, n: int) -> list[list[str]]:
        """The naive client's two commands: sample, then grade."""
        script = [sys.executable, str(KIT / "clients" / "plain.py")]
        options = ["--client", "aiohttp", *self._options(out, n)]
        return [[*script, "drive", *options], [*script, "grade", *options]]

    def bare(self, out: str, n: int) -> list[str]:
        """The least that a client in Python can do: requests made ahead, no HTTP library, replies appended to a file."""
        script = [sys.executable, str(KIT / "clients" / "raw.py"), "drive", "--level", "jsonl"]
        return [*script, *self._options(out, n)]

    def _options(self, out: str, n: int) -> list[str]:
        return [
            *("--problems", str(KIT / "problems.jsonl"), "--samples", str(n)),
            *("--concurrency", str(CONCURRENCY), "--base-url", f"http://127.0.0.1:{self.port}/v1"),
            *("--out", str(self.folder / out)),
        ]


def spend(*commands: list[str]) -> Spent:
    """Run commands one after the other; raises where one fails."""
    cpu = wall = peak = 0.0
    for command in commands:
        began = time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        errors = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            raise SystemExit(f"{' '.join(command)} failed:\n{errors.decode()}")
        wall += time.monotonic() - began
        cpu += usage.ru_utime + usage.ru_stime
        peak = max(peak, usage.ru_maxrss / 1024)
    return Spent(cpu, wall, peak)


def cpu(bench: Bench, repetitions: int) -> None:
    """Marginal CPU a sample between 4,000 and 16,000 samples; fixed start-up; memory; bytes; no-op."""
    ratios, ours, theirs = [], [], []
    for turn in range(repetitions):
        few_theirs, many_theirs = (spend(*bench.naive(f"naive-{n}-{turn}", n)) for n in (8, 32))
        bench.reset()
        few, many = (spend(bench.a2r(f"root-{n}-{turn}", n)) for n in (8, 32))
        samples = NUM_PROBLEMS * (32 - 8)
        ours.append((many.cpu - few.cpu) / samples * 1e6)
        theirs.append((many_theirs.cpu - few_theirs.cpu) / samples * 1e6)
        ratios.append(ours[-1] / theirs[-1])
    told("marginal CPU a sample, microseconds", f"{statistics.median(ours):.0f}")
    told("  naive aiohttp client, sampling and exact grading", f"{statistics.median(theirs):.0f}")
    told(
        "  ratio, median (at most 1.5)",
        f"{statistics.median(ratios):.2f} of {sorted(round(r, 2) for r in ratios)}",
    )
    told(
        "fixed start-up, CPU seconds (4,000 samples less their slope)",
        f"{few.cpu - 4000 * ours[-1] / 1e6:.1f}",
    )
    told("peak RSS, MiB at 4,000 and 16,000 samples", f"{few.peak:.0f}, {many.peak:.0f}")
    told("  ratio (at most 1.3)", f"{many.peak / few.peak:.2f}")
    root = bench.folder / f"root-32-{repetitions - 1}"
    sizes = {p: p.stat().st_size for p in root.rglob("*") if p.is_file()}
    parquet = sum(size for path, size in sizes.items() if path.suffix == ".parquet")
    told("bytes a sample on disk, everything (below 700)", f"{sum(sizes.values()) / 16000:.0f}")
    told("  Parquet alone", f"{parquet / 16000:.0f}")
    naive = (bench.folder / f"naive-32-{repetitions - 1}" / "samples.jsonl").stat().st_size
    told("  naive client's JSONL", f"{naive / 16000:.0f}")
    bench.reset()
    again = spend(bench.a2r(root.name, 32))
    told(
        "no-op rerun: requests; CPU and wall seconds",
        f"{bench.stats()['requests']}; {again.cpu:.1f}, {again.wall:.1f}",
    )


def streamed(bench: Bench, repetitions: int) -> None:
    """CPU a sample of 2 KB streamed and not, by an endpoint that answers at once."""
    with served("streaming.py") as port:
        spent = {way: [marginal(bench, port, *way) for _ in range(repetitions)] for way in WAYS}
    whole = statistics.median(spent[WAYS[0]])
    told("marginal CPU a sample of 2 KB, not streamed, microseconds", f"{whole:.0f}")
    for _, size in WAYS[1:]:
        ratio = statistics.median(spent["true", size]) / whole
        told(f"  streamed, {size} characters an event and HTTP chunk / not streamed", f"{ratio:.2f}")


WAYS = (("false", 4), ("true", 64), ("true", 16), ("true", 4))
"""Whether replies are streamed, and the characters of an event."""


def marginal(bench: Bench, port: int, is_streamed: str, size: int) -> float:
    """Microseconds of CPU a sample, between 4,000 and 16,000 samples."""
    more = (
        f"explorer.engine.base_url=http://127.0.0.1:{port}/v1",
        f"explorer.engine.stream={is_streamed}",
        f"explorer.model.id='{size}'",
    )
    roots = [f"streamed-{is_streamed}-{size}-{n}-{time.monotonic_ns()}" for n in (8, 32)]
    few, many = (spend(bench.a2r(root, n, *more)) for root, n in zip(roots, (8, 32), strict=True))
    return (many.cpu - few.cpu) / (NUM_PROBLEMS * 24) * 1e6


def span(bench: Bench, repetitions: int) -> None:
    """How well the endpoint is kept busy at 200 ms and capacity 256, beside two clients that store nothing durably."""
    n, seconds = 8, 0.2
    ideal = NUM_PROBLEMS * n / CONCURRENCY * seconds
    spans: dict[str, list[float]] = {"ours": [], "naive": [], "bare": []}
    for turn in range(repetitions):
        commands = {
            "ours": bench.a2r(f"span-{turn}", n),
            "naive": bench.naive(f"naive-span-{turn}", n)[0],
            "bare": bench.bare(f"bare-span-{turn}", n),
        }
        for name, command in commands.items():
            bench.reset(latency_ms=int(seconds * 1000), capacity=CONCURRENCY)
            spend(command)
            spans[name].append(bench.stats()["span_s"] / ideal)
    listed = {name: ", ".join(f"{x:.3f}" for x in found) for name, found in spans.items()}
    told("span at 200 ms, capacity 256 / ideal (asked: at most 1.05)", listed["ours"])
    told("  naive client", listed["naive"])
    told("  the least that a client in Python can do", listed["bare"])
    waves = math.ceil(NUM_PROBLEMS * n / CONCURRENCY) * seconds
    told("  whole waves of answers, which nobody can undercut", f"{waves / ideal:.3f}")


def overlap(bench: Bench, repetitions: int) -> None:
    """Two stages beside each other in a small job: 60 problems, 4 + 4 samples of 5 s each, 30 at once per role."""
    problems, samples, at_once, seconds = 60, 4, 30, 5.0
    ideal = ideal_waves(problems, samples, at_once) * seconds
    for turn in range(repetitions):
        bench.reset(latency_ms=int(seconds * 1000))
        command = bench.a2r(f"overlap-{turn}", samples, f"explorer.engine.concurrency={at_once}")
        engine = f"{{kind: openai, base_url: 'http://127.0.0.1:{bench.port}/v1', concurrency: {at_once}, "
        with (bench.folder / "bench.yaml").open("a") as config:
            config.write(
                "synthesizer:\n  model: {id: fake}\n"
                f"  engine: {engine}samples_per_request: 1, timeout_seconds: 31}}\n"  # another setting, an engine of its own
                f"  references: {{count: {samples}}}\n  sampling: {{n: {samples}}}\n"
            )
        spend([*command, "--limit", str(problems)])
        told(
            "two stages of 5 s answers: span / ideal (at most 1.10)", f"{bench.stats()['span_s'] / ideal:.3f}"
        )
        told("  the ideal, seconds: each problem's syntheses right behind its own samples", f"{ideal:.0f}")
        told("  explorers done when the first synthesis begins", explored_before(bench, f"overlap-{turn}"))


def ideal_waves(problems: int, samples: int, at_once: int) -> int:
    """Waves of answers if nobody waits for anything but their own problem's samples and a free place."""
    waves = explored = synthesized = 0
    while synthesized < problems * samples:
        ready = explored // samples * samples
        synthesized += min(at_once, ready - synthesized)
        explored = min(problems * samples, explored + at_once)
        waves += 1
    return waves


def explored_before(bench: Bench, root: str) -> str:
    """How many explorer's answers had arrived when the first synthesis was requested, of how many."""
    query = (
        "select count(*) filter (started_at + to_microseconds((latency_seconds * 1e6)::bigint) <= first) as done, "
        "count(*) as n from traces, (select min(started_at) as first from traces where stage = 'synthesize') "
        "where stage = 'explore'"
    )
    out = subprocess.check_output([A2R, "sql", query, "--format", "json", "--root", bench.folder / root])
    [row] = json.loads(out)
    return f"{row['done']} of {row['n']}"


def auto(bench: Bench, _: int) -> None:
    """How well `concurrency: auto` keeps an endpoint busy whose capacity it does not know, and that changes."""
    for capacity, n in ((16, 2), (64, 8), (256, 16)):
        ratios = []
        for concurrency in ("auto", capacity):
            bench.reset(latency_ms=200, capacity=capacity)
            spend(
                bench.a2r(f"auto-{capacity}-{concurrency}", n, f"explorer.engine.concurrency={concurrency}")
            )
            ratios.append(bench.stats()["span_s"] / (NUM_PROBLEMS * n / capacity * 0.2))
        told(f"auto at capacity {capacity}: span / ideal (at most 1.15)", f"{ratios[0]:.3f}")
        told("  with the capacity known", f"{ratios[1]:.3f}")
    n, half = 16, NUM_PROBLEMS * 8
    bench.reset(latency_ms=200, capacity=256)
    process = subprocess.Popen(
        bench.a2r("auto-changes", n, "explorer.engine.concurrency=auto"), stdout=subprocess.DEVNULL
    )
    while process.poll() is None and (before := bench.stats())["ok"] < half:
        time.sleep(0.02)
    bench.reset(latency_ms=200, capacity=32)
    if process.wait():
        raise SystemExit("auto at a capacity that changes: the run failed")
    after = bench.stats()
    ideal = before["ok"] / 256 * 0.2 + after["ok"] / 32 * 0.2
    told(
        "auto at capacity 256, then 32: span / ideal (at most 1.15)",
        f"{(before['span_s'] + after['span_s']) / ideal:.3f}",
    )


def refused(bench: Bench, _: int) -> None:
    """The same at an endpoint that turns away what is too much (429), and how much of what is sent that is."""
    with served("refusing.py") as port:
        where = (f"explorer.engine.base_url=http://127.0.0.1:{port}/v1", "explorer.model.id='4'")
        for then, (capacity, n) in ((0, (16, 2)), (0, (64, 8)), (0, (256, 16)), (32, (256, 16))):
            half = NUM_PROBLEMS * n // 2
            ideal = half * SECONDS / capacity + half * SECONDS / (then or capacity)
            spans = {}
            for concurrency in ("auto",) if then else (capacity, "auto"):
                ask(port, f"/reset?capacity={capacity}&then={then}&after={half if then else 0}")
                root = f"refused-{capacity}-{then}-{concurrency}"
                spend(bench.a2r(root, n, *where, f"explorer.engine.concurrency={concurrency}"))
                counts = ask(port, "/stats")
                spans[concurrency] = f"{(counts['ended'] - counts['began']) / ideal:.3f}"
            changed = f", then {then}" if then else ""
            told(
                f"auto where too many are refused, {capacity}{changed}: span / ideal (at most 1.15)",
                spans["auto"],
            )
            if not then:
                told("  with the capacity known", spans[capacity])
            told("  429s of what was sent (below 2 %)", f"{100 * counts['refused'] / counts['sent']:.2f} %")


def ask(port: int, path: str) -> dict:
    """What an endpoint of ours says there."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as reply:
        return json.load(reply)


def kills(bench: Bench, repetitions: int) -> None:
    """SIGKILL three times at random moments, then the same command to the end."""
    for turn in range(repetitions):
        bench.reset(latency_ms=100, capacity=CONCURRENCY)
        rng = random.Random(turn)
        in_flight = 0
        for _ in range(3):
            process = subprocess.Popen(
                bench.a2r(f"killed-{turn}", 8),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            goal = bench.stats()["requests"] + rng.randint(300, 1100)
            while process.poll() is None and bench.stats()["requests"] < goal:
                time.sleep(0.02)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            in_flight += CONCURRENCY
            time.sleep(0.3)
        spend(bench.a2r(f"killed-{turn}", 8))
        sent = bench.stats()["requests"]
        count = rows(bench, f"killed-{turn}")
        told("three kills: sent, needed, at most in flight at the kills", f"{sent}, 4000, {in_flight}")
        told(
            "  sent beyond those in flight / needed (at most 1.02)", f"{max(0, sent - in_flight) / 4000:.3f}"
        )
        told("  traces, distinct traces", ", ".join(map(str, count)))
        verify(bench, f"killed-{turn}")


def faults(bench: Bench, _: int) -> None:
    """Two requests in a hundred fail, in five ways."""
    bench.reset(fault_every=50)
    spend(bench.a2r("faults", 8, "explorer.engine.timeout_seconds=5"))
    told("2 % mixed faults: faults met", json.dumps(bench.stats()["faults"]))
    told("  traces, distinct traces of 4000", ", ".join(map(str, rows(bench, "faults"))))


def rows(bench: Bench, root: str) -> tuple[int, int]:
    """Stored answers, and distinct ones."""
    query = "select count(*) as n, count(distinct trace_id) as m from traces where status = 'ok'"
    out = subprocess.check_output([A2R, "sql", query, "--format", "json", "--root", bench.folder / root])
    [row] = json.loads(out)
    return row["n"], row["m"]


def verify(bench: Bench, root: str) -> None:
    """Say what `a2r verify` says."""
    done = subprocess.run(
        [A2R, "verify", "--root", bench.folder / root], capture_output=True, text=True, check=False
    )
    told("  a2r verify", "clean" if done.returncode == 0 else done.stdout)


@contextmanager
def served(script: str) -> Iterator[int]:
    """An endpoint of this folder, started on a free port; yields the port."""
    port = free_port()
    server = subprocess.Popen([sys.executable, Path(__file__).with_name(script), str(port)])
    try:
        wait_for(port)
        yield port
    finally:
        server.kill()
        server.wait()


@contextmanager
def endpoint(folder: Path) -> Iterator[int]:
    """The fake endpoint, built and started on a free port; yields the port."""
    program = folder / "fakellm"
    subprocess.run(["gcc", "-O2", "-o", program, KIT / "server" / "fakellm.c"], check=True)
    port = free_port()
    process = subprocess.Popen(
        [program, "--port", str(port), "--problems", KIT / "problems.jsonl"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(port)
        yield port
    finally:
        process.kill()
        process.wait()


def wait_for(port: int) -> None:
    """Until somebody listens there."""
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def told(what: str, figure: str) -> None:
    """One line of the report."""
    print(f"{what:<66} {figure}", flush=True)


PARTS = {
    "cpu": cpu,
    "streamed": streamed,
    "span": span,
    "overlap": overlap,
    "auto": auto,
    "refused": refused,
    "kills": kills,
    "faults": faults,
}


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repetitions", type=int, default=1)
    parser.add_argument("--only", default=",".join(PARTS), help=f"some of {','.join(PARTS)}")
    arguments = parser.parse_args()
    if not (KIT / "server" / "fakellm.c").exists() or shutil.which("gcc") is None:
        raise SystemExit(
            f"{KIT} has no server/fakellm.c, or there is no gcc; set A2R_BENCH to the kit's folder."
        )
    os.environ.pop("A2R_ROOT", None)
    with tempfile.TemporaryDirectory(prefix="a2r-bench-") as name, endpoint(Path(name)) as port:
        bench = Bench(Path(name), port)
        for part in arguments.only.split(","):
            PARTS[part](bench, arguments.repetitions)


if __name__ == "__main__":
    main()
