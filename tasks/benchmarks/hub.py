"""Data sets from the Hugging Face hub, read with `datasets` at a pinned revision."""

from configs.experiment import HubBenchmark
from configs.schema import UserError
from tasks.benchmarks.row_files import Row


def read_hub(benchmark: HubBenchmark) -> list[Row]:
    """The split's rows, from the local cache if they are there. Raises UserError with what to check."""
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
