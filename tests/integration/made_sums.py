"""Sums whose answers, texts and verdicts are known, among them texts that try to be more than text."""

import json

from made_run import Made, finish_run

HOSTILE = (
    '</script><img src=x onerror="window.hacked=1"><script>window.hacked=2</script>',
    r"$\href{javascript:window.hacked=3}{click}$ $\htmlData{onclick=window.hacked=4}{x}$",
    r"\[\includegraphics{https://example.org/x.png}\]",
    "<svg onload=window.hacked=5></svg>{{ 7 * 7 }}",
)


def experiment(folder, questions, **synthesizer):
    """An experiment over a benchmark file of these questions, each of which 42 answers."""
    path = folder / "sums.jsonl"
    rows = [
        {"id": f"s{i}", "question": text, "answer": "42", "level": i % 3, "tags": ["sum", f"tag {i % 2}"]}
        for i, text in enumerate(questions)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    engine = {"kind": "openai", "base_url": "http://127.0.0.1:9"}
    return {
        "name": "sums",
        "benchmark": {"source": "file", "path": str(path), "id": "id"},
        "explorer": {"model": {"id": "small", "params": 1e6}, "engine": engine, "sampling": {"n": 4}},
        "synthesizer": {
            "model": {"id": "big", "params": 2e6},
            "engine": engine,
            "sampling": {"n": 2},
            "references": synthesizer,
        },
        "grader": {"kind": "exact"},
    }


def told(stage, problem, index):
    """Problem s0 is rescued, s1 harmed, s2 kept, s3 missed; s4 has an error and a truncated answer, so no vote."""
    number = int(problem.problem_id[1:])
    right = {
        "explore": (index == 0, index > 0, True, False, index == 0)[number % 5],
        "synthesize": (True, False, True, False, True)[number % 5],
    }[stage]
    if number == 4 and stage == "explore" and index > 1:
        return Made(None, None, status="error") if index == 2 else Made("", "truncated", status="truncated")
    value = "42" if right else "41"
    return Made(
        f"The sum is $\\frac{{84}}{{2}}$, so \\boxed{{{value}}}. {HOSTILE[index % 4] if number == 0 else ''}",
        "correct" if right else "wrong",
        value,
        reasoning=f"thinking {stage} {index}: " + HOSTILE[index % 4],
    )


QUESTIONS = [f"What is {i} + {42 - i}? Use $x_{i}$ and pay \\$5 or $7 {HOSTILE[i % 4]}" for i in range(10)]


def later(stage, problem, index):
    """The same, but s1 is right in the later run and s2 wrong."""
    if stage == "synthesize" and problem.problem_id in {"s1", "s2"}:
        value = "42" if problem.problem_id == "s1" else "41"
        return Made(f"so \\boxed{{{value}}}", "correct" if value == "42" else "wrong", value)
    return told(stage, problem, index)


def two_runs(folder):
    """A root with run-1 and run-2, whose synthesizers share the explorer's samples. Returns the store."""
    first = experiment(folder, QUESTIONS)
    finish_run(first, folder / "root", "run-1", told)
    again = first["synthesizer"] | {"sampling": {"n": 2, "seed": 1}}
    return finish_run(first | {"synthesizer": again}, folder / "root", "run-2", later)
