"""The card of an exported data set: what `load_dataset` needs, and what a reader should know."""

from collections.abc import Mapping, Sequence

import yaml

from tasks.exchange.exports.source import Source


def card(source: Source, configs: Sequence[Mapping[str, object]], about: str, columns: str) -> str:
    """README.md with its configuration block. Holds model names and settings, never addresses or paths."""
    manifest = source.manifest
    head = {"configs": list(configs), "tags": ["a2r"]}
    roles = "\n".join(
        f"| {name} | {role.model} | {role.prompt} | {role.n} | {role.temperature} | {role.max_tokens} |"
        for name, role in manifest.roles.items()
    )
    return f"""---
{yaml.safe_dump(head, sort_keys=False).strip()}
---

# {manifest.experiment}

{about}

Run `{manifest.run_id}` of {manifest.started_at:%Y-%m-%d}: {manifest.num_problems} problems of {manifest.benchmark},
graded by {manifest.grader}, {manifest.status}.

| role | model | prompt | samples | temperature | max_tokens |
| --- | --- | --- | --- | --- | --- |
{roles}

{columns}

Questions and gold answers are the benchmark's, under its licence; answers and reasoning were written by the models named above.
"""
