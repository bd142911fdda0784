"""Verdicts in the store: parts in one folder per grader, each of one recipe's traces."""

import pyarrow as pa

from warehouse.identity import Recipe
from warehouse.store import Store, retry_if_compacted


def grades_folder(grader: str) -> str:
    """Folder of a grader's verdicts."""
    return f"grades/grader={grader}"


def write_grades(store: Store, grader: str, recipe: Recipe, rows: pa.Table) -> str:
    """Write rows of `GRADES` on traces of one recipe as a part; return its path."""
    return store.write_part(grades_folder(grader), rows, _prefix(recipe))


def read_grades(store: Store, grader: str, recipe: Recipe, columns: list[str]) -> list[tuple[str, ...]]:
    """Columns of the grader's verdicts on the recipe's traces, a tuple a verdict."""

    def read() -> list[tuple[str, ...]]:
        parts = store.names(grades_folder(grader), prefix=_prefix(recipe))
        tables = (store.read_part(part, columns).to_pydict() for part in parts)
        return [row for table in tables for row in zip(*table.values(), strict=True)]

    return retry_if_compacted(read)


def _prefix(recipe: Recipe) -> str:
    return f"part-{recipe.key}-"
