"""How many GPUs one driver keeps busy, and what several do: a discrete simulation with measured costs.

    python tests/bench/cluster_simulation.py                 tables, and docs/scale/drivers.svg and docs/scale/history.svg
    python tests/bench/cluster_simulation.py --measure       measure the driver's costs on this machine first (ten minutes)

A driver is a queue with one server, the interpreter's lock: every reply is read, journalled, sealed, graded, recorded and
loaded by it. The GPUs are slots. A slot waits for the driver, makes a reply for as long as that takes, and waits again.
What is not simulated: the network, weights being loaded, and batches that get faster as they empty.
"""

import argparse
import dataclasses
import heapq
import tempfile
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from pipeline import Bench, endpoint, spend

mpl.use("Agg")

FOLDER = Path(__file__).parents[2] / "docs" / "scale"
GPUS = (8, 32, 64, 128, 256, 512, 1000)
DRIVERS = (1, 2, 4, 8)
WAVES = 6
"""Replies per slot of a simulated night."""
KB = 1024


@dataclass(frozen=True)
class Costs:
    """CPU seconds of a driver, per reply or what else is said, and bytes. Measured; docs/scale.md names each source."""

    reply: float = 411e-6
    """Of 2 KB, not streamed, from prompt to catalog: tests/bench/pipeline.py --only cpu."""
    kilobyte: float = 8e-6
    """Of text beyond that: --measure."""
    stream: float = 95e-6
    """Of a reply that is streamed, besides its events."""
    event: float = 2.15e-6
    """tests/bench/pipeline.py --only streamed: 32, 127 and 510 events per reply lie on one line."""
    in_flight: float = 10 * KB
    """Bytes of memory per request that waits for its reply: --measure."""
    kept: float = 2 * KB
    """Bytes of memory per trace that a run wants, besides its text, which is kept once: peaks of `a2r run`."""
    journal: float = 600
    """Bytes per line besides the text."""


@dataclass(frozen=True)
class Workload:
    """What the GPUs are asked for. The rate is an assumption to be replaced by one's own."""

    name: str
    tokens: int
    """Per reply, on average."""
    tokens_per_second: int = 5000
    """Of one GPU with all its slots taken."""
    slots: int = 256
    """Replies that a GPU makes at once."""

    @property
    def kilobytes(self) -> float:
        return self.tokens * 4 / KB

    @property
    def seconds(self) -> float:
        """Of one reply."""
        return self.tokens * self.slots / self.tokens_per_second


WORKLOADS = (Workload("500 tokens per reply", 500), Workload("8,000 tokens per reply", 8000))
STREAMS = {"not streamed": 0, "16 tokens per event": 16, "a token per event": 1}
"""Tokens per event; 0: the reply comes as a whole."""


def seconds_per_reply(costs: Costs, work: Workload, tokens_per_event: int) -> float:
    """CPU of the driver per reply."""
    streamed = costs.stream + costs.event * work.tokens / tokens_per_event if tokens_per_event else 0.0
    return costs.reply + costs.kilobyte * max(0.0, work.kilobytes - 2) + streamed


def busy_share(gpus: float, work: Workload, cost: float, rng: np.random.Generator) -> float:
    """Share of the slots' time that goes into replies in the middle half of a night, with one driver for so many GPUs.

    Lengths are lognormal with a deviation of 0.6 of their mean, so that replies do not end in step.
    """
    slots = max(1, round(gpus * work.slots))
    sigma = np.sqrt(np.log1p(0.6**2))
    lengths = work.seconds * rng.lognormal(-(sigma**2) / 2, sigma, slots * WAVES)
    waiting = [0.0] * slots
    free, started, ended = 0.0, np.empty(len(lengths)), np.empty(len(lengths))
    for i, length in enumerate(lengths):
        free = max(free, heapq.heappop(waiting)) + cost
        started[i], ended[i] = free, free + length
        heapq.heappush(waiting, ended[i])
    low, high = np.quantile(ended, (0.4, 0.7))
    made = np.clip(np.minimum(ended, high) - np.maximum(started, low), 0, None).sum()
    return float(made / slots / (high - low))


def saturation(work: Workload, cost: float) -> float:
    """GPUs whose replies take all of a driver: beyond it, one more GPU adds nothing."""
    return work.tokens / work.tokens_per_second / cost


def drivers_table(costs: Costs) -> dict[tuple[str, str], list[float]]:
    """Print and return the busy share by number of GPUs of one driver."""
    rng, shares = np.random.default_rng(0), {}
    for work in WORKLOADS:
        print(
            f"\n{work.name}: {work.seconds:.0f} s each, {work.tokens_per_second} tokens/s and {work.slots} at once per GPU"
        )
        print(
            f"{'GPUs of one driver':24}" + "".join(f"{gpus:>8,}" for gpus in GPUS) + f"{'saturates at':>14}"
        )
        for name, size in STREAMS.items():
            cost = seconds_per_reply(costs, work, size)
            shares[work.name, name] = [busy_share(gpus, work, cost, rng) for gpus in GPUS]
            row = "".join(f"{share:8.0%}" for share in shares[work.name, name])
            print(f"{name:24}{row}{saturation(work, cost):10,.0f} GPUs")
        for count in DRIVERS[1:]:
            cost = seconds_per_reply(costs, work, STREAMS["16 tokens per event"])
            row = "".join(f"{busy_share(gpus / count, work, cost, rng):8.0%}" for gpus in GPUS)
            print(f"{f'{count} drivers, 16 per event':24}{row}{count * saturation(work, cost):10,.0f} GPUs")
    return shares


def loads_table(costs: Costs) -> None:
    """Print what one driver would carry at so many GPUs, if it kept them busy."""
    for work in WORKLOADS:
        print(f"\n{work.name}, per driver:")
        heads = (
            "replies/s",
            "cores, 16/event",
            "in flight",
            "GB of them",
            "GB after 1 h",
            "journal MB/s",
            "shards/hour",
        )
        print(f"{'GPUs':>6}" + "".join(f"{head:>17}" for head in heads))
        for gpus in GPUS:
            replies = gpus * work.slots / work.seconds
            in_flight = gpus * work.slots
            cores = replies * seconds_per_reply(costs, work, STREAMS["16 tokens per event"])
            journal = replies * (work.kilobytes * KB + costs.journal) / 1e6
            kept = 3600 * replies * (work.kilobytes * KB + costs.kept) / 1e9
            print(
                f"{gpus:6,}{replies:17,.0f}{cores:17.2f}{in_flight:17,}{in_flight * costs.in_flight / 1e9:17.1f}"
                f"{kept:17.1f}{journal:17.1f}{3600 * replies / 4096:17,.0f}"
            )


def measured(costs: Costs) -> Costs:
    """The same with what this machine takes per reply, per kilobyte, and per request in flight."""
    with tempfile.TemporaryDirectory(prefix="a2r-cluster-") as name, endpoint(Path(name)) as port:
        bench = Bench(Path(name), port)
        per_reply = {}
        for chars in (2048, 32768):
            bench.reset(chars=chars)
            few, many = (spend(bench.a2r(f"{chars}-{n}", n)) for n in (2, 18))
            per_reply[chars] = (many.cpu - few.cpu) / (500 * 16)
        bench.reset(latency_ms=4000)
        few, many = (
            spend(bench.a2r(f"wait-{n}", 8, f"explorer.engine.concurrency={n}")) for n in (256, 2048)
        )
    return dataclasses.replace(
        costs,
        reply=per_reply[2048],
        kilobyte=(per_reply[32768] - per_reply[2048]) / 30,
        in_flight=(many.peak - few.peak) * 2**20 / (2048 - 256),
    )


@dataclass(frozen=True)
class Growth:
    """What grows with a root's history: measured values by number of traces (tests/bench/scale.py), GB or CPU seconds."""

    name: str
    unit: str
    at: dict[float, float]

    def expected(self, traces: float) -> float:
        """On the line through the two largest measured sizes."""
        (fewer, low), (more, high) = sorted(self.at.items())[-2:]
        return high + (high - low) * (traces - more) / (more - fewer)


GROWTHS = (
    Growth("no-op run, memory", "GB", {1.024e6: 0.64, 9.984e6: 1.25}),
    Growth("catalog on disk", "GB", {1.024e6: 0.13, 9.984e6: 1.16}),
    Growth("full rebuild, memory", "GB", {1.024e6: 2.3, 9.984e6: 3.5}),
    Growth("no-op run", "CPU s", {1.024e6: 4.9, 9.984e6: 9.5}),
    Growth("load of ten problems", "CPU s", {1.024e6: 1.5, 9.984e6: 2.6}),
    Growth("full rebuild", "CPU s", {1.024e6: 36, 9.984e6: 388}),
)
HISTORY = (1e6, 1e7, 1e8, 1e9)


def history_table() -> None:
    """Print what is measured and what the same line says of a longer history."""
    print(f"\n{'with a history of':28}" + "".join(f"{traces:>16,.0f}" for traces in HISTORY))
    for growth in GROWTHS:
        print(f"{growth.name:28}" + "".join(f"{growth.expected(n):10,.1f} {growth.unit:5}" for n in HISTORY))


def drawn(shares: dict[tuple[str, str], list[float]]) -> None:
    """Write both figures."""
    FOLDER.mkdir(exist_ok=True)
    plt.rcParams.update(
        {"svg.hashsalt": "a2r", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    )
    figure, panels = plt.subplots(1, 2, figsize=(9, 3.4), sharey=True, layout="constrained")
    for panel, work in zip(panels, WORKLOADS, strict=True):
        for name in STREAMS:
            panel.plot(GPUS, [100 * share for share in shares[work.name, name]], marker="o", ms=3, label=name)
        panel.set(
            xscale="log",
            xticks=GPUS,
            xticklabels=GPUS,
            title=work.name,
            xlabel="GPUs of one driver",
            ylim=(0, 105),
        )
        panel.minorticks_off()
    panels[0].set_ylabel("GPUs' slots at work, %")
    panels[0].legend(frameon=False, loc="lower left")
    figure.savefig(FOLDER / "drivers.svg", metadata={"Date": None})
    figure, panels = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    for panel, unit in zip(panels, ("GB", "CPU s"), strict=True):
        for growth in (each for each in GROWTHS if each.unit == unit):
            sizes = sorted(growth.at)
            [line] = panel.plot(sizes, [growth.at[n] for n in sizes], marker="o", ms=4, label=growth.name)
            ahead = [sizes[-1], *(n for n in HISTORY if n > sizes[-1])]
            panel.plot(ahead, [growth.expected(n) for n in ahead], "--", color=line.get_color(), lw=1)
        panel.set(xscale="log", yscale="log", xlabel="traces in the root", ylabel=unit)
        panel.legend(frameon=False)
    figure.savefig(FOLDER / "history.svg", metadata={"Date": None})


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--measure", action="store_true", help="measure the costs first; needs what pipeline.py needs"
    )
    costs = measured(Costs()) if parser.parse_args().measure else Costs()
    print(costs)
    shares = drivers_table(costs)
    loads_table(costs)
    history_table()
    drawn(shares)


if __name__ == "__main__":
    main()
