"""Whether a run's prompts were rendered alike: by the servers' templates, and by the tokens that were counted.

A model's name does not say how messages become a prompt; a template that changes under it changes what is answered, and
no recipe shows it. So what can be seen of it is compared, and said.
"""

from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa

from warehouse.manifest import read_manifest
from warehouse.servers import ServerStats
from warehouse.store import Store

LOOKED_BACK = 200
"""Runs that are looked through for the last one with the same model."""
SEEN = ("problem_digest", "reference_ids", "num_prompt_tokens")
"""Columns of a trace by which prompts that should be equal are found."""


def changed_templates(store: Store, servers: Sequence[ServerStats]) -> list[str]:
    """A sentence for each model whose servers render prompts otherwise than each other, or than in the run before."""
    now: dict[str, dict[str, str]] = {}
    for server in servers:
        if server.template_digest:
            now.setdefault(server.model, {})[server.url] = server.template_digest
    found = [
        f"{model}: its servers render prompts in different ways ({_listed(by_url)}); give them the same chat template."
        for model, by_url in now.items()
        if len(set(by_url.values())) > 1
    ]
    for model, (run_id, earlier) in _earlier(store, now).items():
        if not earlier & set(now[model].values()):
            found.append(
                f"{model}: its chat template or tokenizer is not that of {run_id} (digest {', '.join(sorted(earlier))}, now "
                f"{_listed(now[model])}): traces that were stored before were made from other prompts. Serve the former "
                "template again (vLLM: --chat-template), or give the changed model another model.revision."
            )
    return found


def changed_lengths(stage: str, rows: pa.Table) -> str | None:
    """A sentence where equal prompts of a stage were counted with different numbers of tokens; None where none were.

    Args:
        stage: Its name.
        rows: Its stored answers with the columns of SEEN.
    """
    if not rows.num_rows:
        return None
    problems, references, numbers = (rows[name] for name in SEEN)
    prompts = pa.table({"problem": problems, "shown": _joined(references), "n": numbers})
    counts = prompts.group_by(["problem", "shown"], use_threads=False).aggregate([("n", "min"), ("n", "max")])
    lows, highs = counts["n_min"].to_pylist(), counts["n_max"].to_pylist()
    counted = [pair for pair in zip(lows, highs, strict=True) if pair != (None, None)]
    changed = [pair for pair in counted if pair[0] != pair[1]]
    if not changed:
        return None
    low, high = changed[0]
    return (
        f"{stage}: equal prompts were counted with different numbers of tokens ({len(changed)} of {len(counted)}; the first "
        f"with {low} and {high}), so the model's chat template or tokenizer changed between them, or several are served "
        "under one name. `a2r sql` shows which: num_prompt_tokens and started_at in traces."
    )


def _joined(references: pa.ChunkedArray) -> pa.ChunkedArray:
    """The references' ids as one text."""
    import pyarrow.compute as pc  # noqa: PLC0415 - only runs that ask an endpoint need functions of Arrow

    return pc.binary_join(references.cast(pa.list_(pa.string())), " ")  # pyright: ignore[reportAttributeAccessIssue]


def _earlier(store: Store, models: Iterable[str]) -> Mapping[str, tuple[str, set[str]]]:
    """Of each model the last run with digests of its templates, and these."""
    found: dict[str, tuple[str, set[str]]] = {}
    wanted = set(models)
    for path in reversed(store.names("runs", suffix=".json")[-LOOKED_BACK:] if wanted else []):
        run = read_manifest(store, path.rsplit("/", 1)[-1].removesuffix(".json"))
        for server in run.servers:
            if server.template_digest and server.model in wanted - found.keys():
                digests = {s.template_digest or "" for s in run.servers if s.model == server.model} - {""}
                found[server.model] = (run.run_id, digests)
        if found.keys() == wanted:
            break
    return found


def _listed(by_url: Mapping[str, str]) -> str:
    return ", ".join(f"{digest} at {url}" for url, digest in sorted(by_url.items()))
