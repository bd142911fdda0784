"""Measure the grading stage on stored traces: integers, LaTeX, hostile answers; references in the same run.

    make bench
    python tests/bench/grading.py --only integers,latex,pairs,mutations,hostile

CPU seconds are of this process and its workers, beyond start-up (imports, the first worker). The
reference of `integers` is math-verify asked about every sample, measured on a share of them and
scaled; that of `latex` is one verification a distinct pair in this process; that of `hostile` is the
same number of well-behaved answers. `pairs` counts what is wrongly accepted and wrongly rejected.
"""

import argparse
import logging
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from cases.mutations import mutated
from cases.rewritings import drawn

from configs.engines import OpenAISettings
from configs.graders import MathGrader
from configs.models import Model
from configs.sampling import Sampling
from tasks.graders import symbolic
from tasks.graders.math import Math
from tasks.graders.protocol import Case
from tasks.grading.traces import Grading, grade_traces
from tasks.prompts.render import load_prompt
from tasks.stage import Stage
from warehouse.identity import recipe_of, trace_id
from warehouse.journal import traces_table
from warehouse.records import Member, Problem
from warehouse.store import Store, traces_folder
from warehouse.verdicts import VerdictMemory

PART = 4096
FILLER = "We compute step by step and keep an eye on the signs. " * 36
"""About 2 KB of reasoning before the box."""


@dataclass
class Spent:
    """CPU and wall seconds, and the peak resident MiB of this process and of its largest worker."""

    cpu: float = 0.0
    wall: float = 0.0
    own_peak: float = 0.0
    worker_peak: float = 0.0


def stored(folder: Path, samples: list[tuple[str, str, str]]) -> tuple[Stage, list[Member]]:
    """Traces of (problem, gold, text) in a store of their own."""
    prompt, sampling, model = load_prompt("explore"), Sampling(n=1), Model(id="m")
    recipe = recipe_of("explore", model, prompt.digest, sampling)
    engine = OpenAISettings(kind="openai", base_url="http://127.0.0.1:9/v1")
    stage = Stage("explore", "explorer", str(folder), recipe, model, engine, prompt, sampling, None, (), PART)
    store, seen = Store(str(folder)), Counter()
    store.write_recipe(recipe)
    rows, members = [], []
    for name, gold, text in samples:
        problem = Problem.of(benchmark="b", problem_id=name, question=name, gold=gold, metadata={})
        index = seen[name]
        seen[name] += 1
        held = trace_id(recipe, problem.problem_digest, index)
        rows.append(
            {
                "trace_id": held,
                "problem_id": name,
                "problem_digest": problem.problem_digest,
                "sample_index": index,
                "status": "ok",
                "answer": text,
                "started_at": 0,
                "reference_ids": (),
                "num_tries": 1,
            }
        )
        members.append(Member("explore", name, problem.problem_digest, index, held, gold))
        if len(rows) == PART:
            store.write_part(traces_folder(recipe), traces_table(rows))
            rows = []
    if rows:
        store.write_part(traces_folder(recipe), traces_table(rows))
    return stage, members


@contextmanager
def measured():
    """What happens inside the block, with its workers."""
    spent, own, done = Spent(), psutil.Process(), threading.Event()
    times: dict[int, float] = {}

    def look():
        spent.own_peak = max(spent.own_peak, own.memory_info().rss / 2**20)
        for child in own.children(recursive=True):
            try:
                used = child.cpu_times()
                times[child.pid] = used.user + used.system
                spent.worker_peak = max(spent.worker_peak, child.memory_info().rss / 2**20)
            except psutil.Error:
                continue

    def watch():
        while not done.wait(0.5):
            look()

    look()
    before, cpu, began = dict(times), time.process_time(), time.monotonic()
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield spent
    finally:
        spent.wall = time.monotonic() - began
        done.set()
        watcher.join()
        look()
        spent.cpu = time.process_time() - cpu + sum(times.values()) - sum(before.values())


def graded(folder: Path, samples: list[tuple[str, str, str]]) -> tuple[Spent, Counter]:
    """Grade samples with a started grader, and count the verdicts that were written."""
    stage, members = stored(folder, samples)
    with closing(Math(MathGrader(kind="math"))) as grader:
        grader.work_out([Case("", "x", "y+1")])
        stage.index.refresh()
        with measured() as spent:
            done = grade_traces(stage, members, Grading(grader, VerdictMemory(Store(stage.root), grader.key)))
    assert done == len(samples), (done, len(samples))
    store, verdicts = Store(stage.root), Counter()
    for part in store.names(f"grades/grader={grader.key}"):
        verdicts.update(store.read_part(part, ["verdict"])["verdict"].to_pylist())
    return spent, verdicts


def verification_seconds(pairs: list[tuple[str, str]]) -> float:
    """CPU seconds of math-verify on each pair, one after the other, its import not counted."""
    is_equal = symbolic.load()
    is_equal("x", "y")
    began = time.process_time()
    for gold, answer in pairs:
        try:
            is_equal(gold, answer)
        except Exception:  # noqa: BLE001 - sympy raises anything
            continue
    return time.process_time() - began


def integers(folder: Path) -> None:
    """32,000 samples of 500 problems, 4 distinct integers each."""
    rng = random.Random(0)
    golds = {f"p{n}": rng.randrange(1000) for n in range(500)}
    samples = [
        (name, str(gold), f"{FILLER}\\boxed{{{gold + rng.choice((0, 1, 7, 11))}}}")
        for name, gold in golds.items()
        for _ in range(64)
    ]
    spent, verdicts = graded(folder, samples)
    share = 640
    naive = verification_seconds([(g, t[len(FILLER) + 7 : -1]) for _, g, t in samples[::50]])
    naive *= len(samples) / share
    told("integers: 32,000 samples, CPU s (at most 0.5)", f"{spent.cpu:.2f}")
    told("  math-verify asked about every sample (scaled from 640), CPU s", f"{naive:.1f}")
    told("  ratio", f"{naive / spent.cpu:.0f}")
    told("  verdicts", dict(verdicts))


def latex(folder: Path) -> None:
    """3,200 samples of 100 problems whose answers only symbols can compare, 8 distinct a problem."""
    rng = random.Random(0)
    samples, pairs = [], []
    for number in range(100):
        a, b = rng.randint(2, 9), rng.choice((2, 3, 5, 7))
        gold = rf"{a}x+\frac{{\sqrt{{{b}}}}}{{{a}}}"
        answers = [rf"\frac{{\sqrt{{{b}}}}}{{{a}}}+{a}x", rf"{a}x+\sqrt{{{b}}}\cdot\frac{{1}}{{{a}}}"]
        answers += [rf"{a + k}x+\frac{{\sqrt{{{b}}}}}{{{a}}}" for k in range(1, 7)]
        gold, answers = gold + f"+{number}", [f"{answer}+{number}" for answer in answers]
        pairs += [(gold, answer) for answer in answers]
        samples += [
            (f"p{number}", gold, f"{FILLER}\\boxed{{{answer}}}") for answer in answers for _ in range(4)
        ]
    spent, verdicts = graded(folder, samples)
    once = verification_seconds(pairs)
    told("latex: 3,200 samples, 800 distinct pairs, CPU s", f"{spent.cpu:.2f}")
    told("  one verification a distinct pair, CPU s", f"{once:.2f}")
    told("  ratio (at most 2)", f"{spent.cpu / once:.2f}")
    told("  verdicts", dict(verdicts))
    for part in (folder / "grades").rglob("*.parquet"):
        part.unlink()
    stage, members = stored(folder, samples)
    with closing(Math(MathGrader(kind="math"))) as grader, measured() as spent:
        grade_traces(stage, members, Grading(grader, VerdictMemory(Store(stage.root), grader.key)))
    told("  the same in a later run, remembered, no worker started, CPU s", f"{spent.cpu:.2f}")


def decided(rows: list[tuple[str, str, str, bool]]) -> tuple[Counter, Spent]:
    """How often each verdict was given, by kind and by whether the answer has the gold's value, and what it cost."""
    cases = [Case("", gold, answer) for _, gold, answer, _ in rows]
    with closing(Math(MathGrader(kind="math"))) as grader:
        grader.work_out([Case("", "x", "y+1")])
        with measured() as spent:
            said = {case: grader.decide(case.gold, case.answer) for case in set(cases)}
            said |= grader.work_out([case for case, verdict in said.items() if verdict is None])
    drawn_cases = zip(cases, rows, strict=True)
    return Counter((kind, keeps, said[case]) for case, (kind, *_, keeps) in drawn_cases), spent


def pairs(_: Path) -> None:
    """20,000 golds and answers drawn at random, whose values are known by construction (tests/cases/rewritings.py)."""
    rng = random.Random(0)
    rows = [drawn(rng) for _ in range(20_000)]
    by_kind, spent = decided(rows)
    found = Counter[tuple[bool, str]]()
    for (_, keeps, verdict), number in by_kind.items():
        found[keeps, verdict] += number
    same, other = (sum(n for (keeps, _), n in found.items() if keeps is wanted) for wanted in (True, False))
    told("pairs: 20,000 drawn, CPU s", f"{spent.cpu:.2f}")
    told("  of the same value, rejected or left out", f"{same - found[True, 'correct']} of {same}")
    told("  of another value, accepted", f"{found[False, 'correct']} of {other}")
    told(
        "  of another value, left out",
        f"{other - found[False, 'correct'] - found[False, 'wrong']} of {other}",
    )
    for kind in sorted({kind for kind, *_ in rows}):
        counted = {
            keeps: sum(n for (k, s, _), n in by_kind.items() if (k, s) == (kind, keeps))
            for keeps in (True, False)
        }
        told(
            f"  {kind}: wrongly rejected, wrongly accepted",
            f"{counted[True] - by_kind[kind, True, 'correct']} of {counted[True]}, "
            f"{by_kind[kind, False, 'correct']} of {counted[False]}",
        )


def mutations(_: Path) -> None:
    """20,000 random sums, rewritten or changed in one way each (tests/cases/mutations.py); rates by the way."""
    rng = random.Random(0)
    rows = [mutated(rng) for _ in range(20_000)]
    found, spent = decided(rows)
    told("mutations: 20,000 drawn, CPU s", f"{spent.cpu:.2f}")
    for keeps, kind in sorted({(keeps, kind) for kind, *_, keeps in rows}, reverse=True):
        total = sum(n for key, n in found.items() if key[:2] == (kind, keeps))
        amiss = total - found[kind, keeps, "correct" if keeps else "wrong"]
        told(f"  {kind}: {'wrongly rejected' if keeps else 'accepted or left out'}", f"{amiss} of {total}")


def hostile(folder: Path) -> None:
    """10,000 answers, one in five of them hostile, no two alike where that is worse."""
    calm = [(f"p{n % 500}", str(n % 500), f"{FILLER}\\boxed{{{n % 503}}}") for n in range(10_000)]
    nasty = [attack(n) for n in range(2_000)]
    samples = [
        (name, gold, nasty[n // 5] if n % 5 == 0 else text) for n, (name, gold, text) in enumerate(calm)
    ]
    reference, _ = graded(folder / "calm", calm)
    spent, verdicts = graded(folder / "hostile", samples)
    told("hostile: 10,000 answers, 2,000 of them hostile, all graded; CPU s", f"{spent.cpu:.2f}")
    told("  wall s", f"{spent.wall:.1f}")
    told("  10,000 well-behaved ones, CPU s", f"{reference.cpu:.2f}")
    told(
        "  peak MiB of this process, of its largest worker", f"{spent.own_peak:.0f}, {spent.worker_peak:.0f}"
    )
    told("  peak MiB with well-behaved ones", f"{reference.own_peak:.0f}, {reference.worker_peak:.0f}")
    told("  verdicts", dict(verdicts))


def attack(number: int) -> str:  # noqa: PLR0911 - one line an attack
    """One of the hostile texts, made distinct by its number."""
    n = number // 10 + 2
    match number % 10:
        case 0:
            return rf"\boxed{{{n}^{{{n}^{{{n}^{{{n}}}}}}}}}"
        case 1:
            return rf"\boxed{{{'9' * 1_000_000}}}" if number < 400 else rf"\boxed{{{'9' * (300 + n)}}}"
        case 2:
            return rf"\boxed{{{n}999999!}}"
        case 3:
            return "\\boxed{" * 1000 + str(n)
        case 4:
            return "x" * 1_000_000 if number < 400 else "\\boxed{" + "{" * n
        case 5:
            return f"\\boxed{{\x00{n}\x00}}"
        case 6:
            return f"\\boxed{{__import__('os').system('touch /tmp/{n}')}}"
        case 7:
            return rf"\boxed{{\frac{{{'+'.join(f'x^{k}' for k in range(2, n % 40 + 3))}}}{{x+{n}}}}}"
        case 8:
            return rf"\boxed{{{'(' * n}1{')' * n}}}"
        case _:
            return rf"\boxed{{\int_0^{{{n}}} e^{{x^{n % 9 + 1}}} \sin(x^{n % 7 + 2}) dx}}"


def told(what: str, figure: object) -> None:
    """One line of the report."""
    print(f"{what:<66} {figure}", flush=True)


PARTS = {"integers": integers, "latex": latex, "pairs": pairs, "mutations": mutations, "hostile": hostile}


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default=",".join(PARTS), help=f"some of {','.join(PARTS)}")
    logging.disable(logging.CRITICAL)
    for part in parser.parse_args().only.split(","):
        with tempfile.TemporaryDirectory(prefix="a2r-grading-") as name:
            PARTS[part](Path(name))


if __name__ == "__main__":
    main()
