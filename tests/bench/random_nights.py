"""Random nights of three experiments with faults, under a real `a2r up`: none may be green and wrong, nothing is paid for twice.

    python tests/bench/random_nights.py [--nights 20] [--seed 0]      # about a minute a night on two busy cores

A night has a plain experiment, an adaptive one and one that a model grades, on a root of its own. It meets one to three
faults, dealt so that each kind comes equally often: an endpoint that refuses requests for good, fails one in twenty, goes
away; a judge whose requests are refused, so that its verdicts are missing, or that replies without deciding; a killed worker,
server or flow. Whatever is not Completed is mended (for a judge that does not decide: `grader.sampling.max_tokens` raised)
and repaired by Retry, or by the next start of `a2r up`. Printed for each: faults, states, requests that were answered twice,
beyond those in flight at a kill too, and whether a Completed night has other traces, verdicts or numbers than the undisturbed
one.
"""

import argparse
import hashlib
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from endpoints.nights import experiment_file
from endpoints.operating import Operator
from endpoints.scripted import ScriptedEndpoint, answered

from warehouse.catalog import connect
from warehouse.integrity import verify
from warehouse.manifest import manifests
from warehouse.store import Store
from warehouse.summarize import summarize

CONCURRENCY = 8
NUM_PROBLEMS = 20
ENDS = ("COMPLETED", "FAILED", "CRASHED")
FAULTS = ("refused", "failing", "away", "unjudged", "undecided", "worker", "server", "flow")
RATES = {"refused": 0.05, "failing": 0.05, "unjudged": 0.3, "undecided": 0.3}
"""Which share of the requests a fault strikes."""
KILLS = ("worker", "flow")
"""Those that end the process that sends requests."""


class Night:
    """What goes wrong at the endpoint, and what it was asked."""

    def __init__(self, endpoint: ScriptedEndpoint) -> None:
        self.endpoint, self.rates = endpoint, Counter()
        self.well = Counter()
        """Good answers by request."""
        endpoint.answer, endpoint.fault = self.answer, self.fault

    def answer(self, prompt: str, seed: int) -> str:
        """A sum, or a verdict that depends on what is judged alone."""
        if "Verdict" not in prompt:
            return answered(prompt, seed)
        digest = hashlib.sha256(prompt.encode()).digest()
        if digest[2] / 256 < self.rates["undecided"]:
            return "It is hard to say."
        is_right = digest[0] % 3 > 0
        return f"I compared them.\nVerdict: {'correct' if is_right else 'incorrect'}"

    def fault(self, number: int, body: dict) -> object:
        """Refusals depend on the request, failures on its number."""
        key = json.dumps([body["model"], body["seed"], body["messages"], body["max_tokens"]])
        chance = hashlib.sha256(key.encode()).digest()[1] / 256
        if chance < self.rates["unjudged" if body["model"] == "judge" else "refused"]:
            return (400, "this request is refused", {})
        if random.Random(number).random() < self.rates["failing"]:
            return (500, "overloaded", {})
        self.well[key] += 1
        return None


def experiments(folder: Path, endpoint: ScriptedEndpoint) -> list[dict]:
    """Their files, as the night names them."""
    path = experiment_file(folder, endpoint, num_problems=NUM_PROBLEMS, concurrency=CONCURRENCY)
    plain = json.loads(path.read_text())
    adaptive, judged = json.loads(path.read_text()), json.loads(path.read_text())
    adaptive["name"], judged["name"] = "adaptive", "judged"
    adaptive["explorer"] |= {
        "sampling": {"n": 8, "seed": 1},
        "stop": {"agreement": 0.75, "after": 3, "step": 1},
    }
    adaptive["synthesizer"] |= {"references": {"count": 3}, "when": {"agreement_below": 1.0}}
    engine = judged["explorer"]["engine"]
    judged["explorer"]["sampling"] = {"n": 3, "seed": 2}
    del judged["synthesizer"]
    judged["grader"] = {"kind": "judge", "model": {"id": "judge"}, "engine": engine}
    for data in (plain, adaptive, judged):
        (folder / f"{data['name']}.yaml").write_text(json.dumps(data))
    return [{"experiment": f"{data['name']}.yaml"} for data in (plain, adaptive, judged)]


def judge_allowed(folder: Path, max_tokens: int) -> None:
    """Let the judge write so much."""
    path = folder / "judged.yaml"
    data = json.loads(path.read_text())
    data["grader"]["sampling"] = {"max_tokens": max_tokens}
    path.write_text(json.dumps(data))


def hands(dice: random.Random) -> Iterator[list[str]]:
    """The faults of one night after the other, from shuffled decks of all kinds."""
    deck: list[str] = []
    while True:
        size = dice.choice([1, 1, 2, 3])
        while len(deck) < size:
            deck += dice.sample(FAULTS, len(FAULTS))
        yield list(dict.fromkeys(deck[:size]))
        deck = deck[size:]


def outcome(root: Path) -> tuple[dict, dict]:
    """Of each experiment's last run: every trace with its verdict, and its numbers. A judge's replies are in its verdicts."""
    store = Store(str(root))
    latest = {m.experiment: m.run_id for m in sorted(manifests(store), key=lambda m: m.finished_at)}
    traces = {}
    with connect(store) as catalog:
        query = "select stage, trace_id, verdict, vote_key from samples where run_id = ? and stage <> 'judge' order by all"
        for name, run_id in latest.items():
            traces[name] = catalog.execute(query, [run_id]).fetchall()
    return traces, {name: summarize(store, run_id)["metrics"] for name, run_id in latest.items()}


def struck(operator: Operator, night: Night, run_id: str, fault: str, moment: int) -> None:
    """Let a fault happen once so many requests have come, or the run has ended."""
    while len(night.endpoint.requests) < moment and operator.run(run_id)["state_type"] not in ENDS:
        time.sleep(0.02)
    if fault == "away":
        night.endpoint.shut()
    elif fault in {"worker", "server"}:
        old = operator.until(lambda: operator.child(fault))
        old.kill()
        operator.until(lambda: (new := operator.child(fault)) and new.pid != old.pid)
        operator.until(operator.is_up, seconds=120)
    elif fault == "flow" and operator.run(run_id)["state_type"] == "RUNNING":
        operator.kill(run_id)


def mended(night: Night, faults: list[str], folder: Path) -> None:
    """Nothing goes wrong at the endpoint any more."""
    night.rates.clear()
    if "undecided" in faults:
        judge_allowed(folder, 2048)
    if "away" in faults:
        night.endpoint.open()


def lived(operator: Operator, night: Night, root: Path, faults: list[str], dice: random.Random) -> dict:
    """One night with its repairs."""
    judge_allowed(operator.folder, 1024)
    night.rates = Counter({name: rate for name, rate in RATES.items() if name in faults})
    night.endpoint.reset()
    night.well.clear()
    night.endpoint.latency = 0.05
    run_id = operator.start("nightly", {"root": str(root)})
    for fault in faults:
        if fault in {"away", "server", *KILLS}:
            struck(operator, night, run_id, fault, dice.randrange(5, 250))
    states, num_kills = [], sum(fault in KILLS for fault in faults)
    for _ in range(4):
        state = operator.wait(run_id, *ENDS, seconds=400)["state_type"]
        states.append(state)
        if state == "COMPLETED":
            break
        mended(night, faults, operator.folder)
        if state == "CRASHED" and dice.random() < 0.5:
            states.append("next start")
            operator.power_cut()
            operator.up()
            operator.until(lambda: operator.run(run_id)["state_type"] not in ENDS, seconds=120)
        else:
            if state == "CRASHED":
                time.sleep(15)  # its worker reports a crash twice
            operator.retry(run_id)
    twice = sum(count - 1 for count in night.well.values())
    return {
        "faults": faults,
        "states": states,
        "answered twice": twice,
        "twice beyond those in flight": max(0, twice - num_kills * 2 * CONCURRENCY),
    }


def main() -> None:
    """All nights; exit 1 if one is green and wrong, lost something, or paid twice."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nights", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    bad, total = 0, Counter()
    with tempfile.TemporaryDirectory() as name, ScriptedEndpoint(models=("small", "big", "judge")) as served:
        folder, night = Path(name), Night(served)
        with Operator(folder, {"experiments": experiments(folder, served)}) as operator:
            judge_allowed(folder, 1024)
            undisturbed = operator.start("nightly", {"root": str(folder / "undisturbed")})
            assert operator.wait(undisturbed, *ENDS)["state_type"] == "COMPLETED"
            traces, numbers = outcome(folder / "undisturbed")
            print("undisturbed:", {name: len(rows) for name, rows in traces.items()}, flush=True)
            dealt = islice(hands(random.Random(options.seed)), options.nights)
            for number, faults in enumerate(dealt, start=1):
                root = folder / f"root-{number}"
                told = lived(operator, night, root, faults, random.Random(options.seed + number))
                total.update(faults)
                is_green = told["states"][-1] == "COMPLETED"
                found = outcome(root) if is_green else ({}, {})
                is_same = found == (traces, numbers)
                damages = [d for d in verify(Store(str(root))) if not d.path.endswith(".tmp")]
                total["green and wrong"] += is_green and not is_same
                total["not green in the end"] += not is_green
                total["answered twice beyond those in flight"] += told["twice beyond those in flight"]
                total["damages"] += len(damages)
                bad += not (is_green and is_same) or bool(told["twice beyond those in flight"] or damages)
                print(f"{number:>3} {told} same: {is_same}", flush=True)
    print(f"{options.nights} nights: {dict(total)}")
    raise SystemExit(bool(bad))


if __name__ == "__main__":
    main()
