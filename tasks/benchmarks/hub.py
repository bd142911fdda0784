"""Data sets from the Hugging Face hub, read with `datasets` where the root does not keep their rows already."""

from collections.abc import Callable

from configs.experiment import HubBenchmark
from configs.schema import UserError
from tasks.benchmarks.row_files import Row
from warehouse.kept_rows import is_pinned, keep_rows, kept_rows
from warehouse.store import Store


def read_hub(
    benchmark: HubBenchmark, store: Store | None, say: Callable[[str], None] | None = None, *, keeps: bool
) -> list[Row]:
    """The split's rows: from the root where the revision is a commit and they are kept there, else from the hub.

    A branch or a tag may have moved, so the hub is asked; where it cannot be reached, what the root keeps is used, and
    said. Raises UserError with what to check.

    Args:
        benchmark: Which rows.
        store: The root that may keep them.
        say: Is given a sentence where kept rows stand for a hub that cannot be reached.
        keeps: Whether it is to keep what the hub gives.
    """
    kept = kept_rows(store, benchmark) if store else None
    if kept is not None and is_pinned(benchmark):
        return kept
    try:
        rows = _asked(benchmark)
    except UserError as error:
        if kept is None:
            raise
        if say:
            say(f"{error} The rows of its revision {benchmark.revision} that the root keeps are used.")
        return kept
    if store and keeps and rows != kept:
        keep_rows(store, benchmark, rows)
    return rows


def _asked(benchmark: HubBenchmark) -> list[Row]:
    """The rows from the hub, or from the cache that `datasets` has of it."""
    import datasets  # noqa: PLC0415 - takes seconds to import, and only hub benchmarks need it

    datasets.disable_progress_bars()
    try:
        split = datasets.load_dataset(
            benchmark.path, benchmark.config, split=benchmark.split, revision=benchmark.revision
        )
    except Exception as error:  # the library passes on any error of the network, the hub or the files
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(
            f"{benchmark.path} (split {benchmark.split}, revision {benchmark.revision}) cannot be loaded from the "
            f"hub: {reason}. Check benchmark.path, split and revision and the network, or use a local file: "
            "benchmark: {source: file, path: problems.jsonl}."
        ) from error
    return [dict(row) for row in split]
