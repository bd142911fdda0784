"""What ending samples once answers agree saves at which accuracy, replayed from recorded outputs; nothing is generated.

    python tests/bench/stopping.py qwen_math_cot_100x8.jsonl --svg docs/stopping.svg      (matplotlib for the plot)

The file has a row per problem: `question`, `gt`, and its outputs in the list `code`. Printed is a table for docs/methods.md.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from warehouse.catalog import connect
from warehouse.store import Store

A2R = Path(sys.executable).with_name("a2r")
SETTINGS = ((2, 1), (4, 2))
"""`after` and `step`."""
AGREEMENTS = (0.6, 0.7, 0.8, 0.9, 1.0)


def run(file: Path, folder: Path, num_samples: int) -> Store:
    """Store the recorded outputs as an explorer's and grade them."""
    config = folder / "recorded.yaml"
    config.write_text(
        "name: recorded\n"
        f"benchmark: {{source: file, path: {file}, question: question, answer: gt}}\n"
        "explorer:\n"
        "  model: {id: recorded}\n"
        f"  engine: {{kind: replay, path: {file}, question: question, outputs: code}}\n"
        f"  sampling: {{n: {num_samples}}}\n"
    )
    root = folder / "root"
    subprocess.run([A2R, "run", config, "--root", root, "--json"], check=True, stdout=subprocess.DEVNULL)
    return Store(str(root))


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--svg", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        store = run(arguments.file.resolve(), Path(name), arguments.samples)
        with connect(store) as catalog:
            [(run_id,)] = catalog.execute("select run_id from runs").fetchall()
            votes = catalog.execute(
                "select k, estimate from curves where kind = 'cons' order by k"
            ).fetchall()
            columns = "agreement, num_samples / num_problems, saved_samples_percent, accuracy, difference, low, high"
            replayed = {
                setting: catalog.execute(
                    f"select {columns} from replay_stopping(?, ?, ?, ?)", [run_id, list(AGREEMENTS), *setting]
                ).fetchall()
                for setting in SETTINGS
            }
    print(
        "| after, step | agreement | samples per problem | saved | accuracy | minus that of all | 95 % interval |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for (after, step), rows in replayed.items():
        for agreement, size, saved, accuracy, difference, low, high in rows:
            interval = "no problem differs" if low is None else f"{low:+.3f} to {high:+.3f}"
            cells = (
                f"{after}, {step}",
                f"{agreement:.1f}",
                f"{size:.2f}",
                f"{saved:.0f} %",
                f"{accuracy:.3f}",
            )
            print("|", " | ".join((*cells, f"{difference:+.3f}", interval)), "|")
    if arguments.svg:
        plot(votes, replayed, arguments.svg)


def plot(votes: list, replayed: dict, path: Path) -> None:
    """Accuracy over samples per problem: the vote of k as a line, the stopped votes as points."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    from tasks.research.study.plots import STYLE

    with rc_context(STYLE):
        figure = Figure(figsize=(6, 3.5), layout="constrained")
        axes = figure.add_subplot()
        axes.plot(*zip(*votes, strict=True), "o-", ms=3, label="vote of the first k")
        for (after, step), rows in replayed.items():
            axes.plot(
                [row[1] for row in rows],
                [row[3] for row in rows],
                "s",
                ms=5,
                label=f"stopped at agreement 0.6 to 1.0, after {after}, step {step}",
            )
        axes.set(xlabel="samples per problem", ylabel="accuracy of the vote")
        axes.legend(fontsize=7)
        figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    main()
