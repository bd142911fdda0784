"""`a2r verify`: every file of a root read once, every damage named with what it means and what to do."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from configs.schema import UserError
from warehouse.grades import misjudged
from warehouse.identity import Recipe, problem_digest, trace_id
from warehouse.index import RecipeIndex
from warehouse.journal import set_aside_path, unreadable_lines
from warehouse.kept_rows import is_whole
from warehouse.manifest import Manifest, NewerManifestError, manifest_path, members_path
from warehouse.parquet import rows_of
from warehouse.pruning import PLAN
from warehouse.recordings import recording_name
from warehouse.records import CORRECTIONS, GRADE_LAYOUTS, MEMBERS, PROBLEMS, TRACE_LAYOUTS
from warehouse.store import Store, content_hash
from warehouse.winner import answer_digest

_TRACE_PART = re.compile(
    r"traces/stage=(?P<stage>\w+)/recipe=(?P<recipe>[0-9a-f]{16})/"
    r"(part-(?P<hash>[0-9a-f]{16})\.parquet|(?P<json>recipe\.json))"
)
_GRADE_PART = re.compile(
    r"grades/grader=(?P<grader>[a-z0-9_]+-[\w.]+)/part-(?P<recipe>[0-9a-f]{16})-(?P<hash>[0-9a-f]{16})\.parquet"
)
_PROBLEM_PART = re.compile(r"problems/part-(?P<hash>[0-9a-f]{16})\.parquet")
_CORRECTION_PART = re.compile(r"corrections/part-(?P<hash>[0-9a-f]{16})\.parquet")
_INVENTORY = re.compile(r"inventory/recipe=[0-9a-f]{16}/[0-9a-f]{16}\.parquet")
_BENCHMARK_ROWS = re.compile(r"benchmarks/[0-9a-f]{16}\.jsonl")
_RUN_FILE = re.compile(r"runs/(?P<run>[^/]+)\.(?P<kind>json|parquet)")
_RECORDING_FILE = re.compile(
    r"(?P<folder>imports/(?P<name>[0-9a-f]{16}))/((?P<about>import\.json)|outputs\.parquet|experiment\.yaml|[\w.-]+\.jsonl)"
)
_OWN_FILE = re.compile(
    r"(catalog\.duckdb|catalogs/[0-9a-f]{16}-[0-9a-f]{16}\.duckdb|\.(catalog|in-use|upkeep|up)\.lock|\.up\.json|verdicts\.sqlite(-journal)?"
    r"|leases/([0-9a-f]{32}\.json|[0-9a-f]{16}-[0-9a-f]{2}\.\d+)"
    r"|journal/[0-9a-f]{16}-[0-9a-f]{12}\.(jsonl|unreadable)|reports/night-\d{4}-\d\d-\d\d\.html)"
)


@dataclass(frozen=True, slots=True)
class Damage:
    """One thing wrong with a root."""

    path: str
    kind: str
    """`torn`, `checksum`, `identity`, `schema`, `recipe`, `verdict`, `orphan`, `incomplete`."""
    detail: str


def verify(store: Store) -> Iterator[Damage]:
    """Every damage of a root, one file after the other, each part held in memory alone."""
    files = sorted(store.files(), key=lambda file: file.path)
    paths = {file.path for file in files}
    recipes: dict[str, Recipe | None] = {}
    for file in files:
        yield from _damages(store, file.path, file.size, paths, recipes)
    yield from _journal_damages(store)
    yield from _wrong_verdicts(store, paths, recipes)


def _journal_damages(store: Store) -> Iterator[Damage]:
    """What cannot become traces in journals, those in use too, and what was set aside of earlier ones."""
    for path in sorted(store.journal_folder.glob("*.jsonl")):
        name = f"journal/{path.name}"
        try:
            bad = list(unreadable_lines(path))
        except FileNotFoundError:  # sealed meanwhile
            continue
        except OSError as error:
            yield Damage(name, "torn", f"cannot be read ({error.strerror})")
            continue
        for number, reason in bad:
            aside = set_aside_path(path).name
            yield Damage(name, "torn", f"line {number} {reason}; the next run sets it aside as {aside}")
    for path in sorted(store.journal_folder.glob(set_aside_path(Path("*")).name)):
        detail = (
            "lines that could not become traces, which are made again; delete it once you have looked at it"
        )
        yield Damage(f"journal/{path.name}", "torn", detail)


def _damages(
    store: Store, path: str, size: int, paths: set[str], recipes: dict[str, Recipe | None]
) -> Iterator[Damage]:
    if match := _TRACE_PART.fullmatch(path):
        yield from _trace_damages(store, match, paths, recipes)
    elif match := _GRADE_PART.fullmatch(path):
        yield from _part(store, path, match["hash"], *GRADE_LAYOUTS)[1]
    elif match := _PROBLEM_PART.fullmatch(path):
        table, found = _part(store, path, match["hash"], PROBLEMS)
        yield from found
        if table is not None:
            yield from _wrong_problems(path, table)
    elif match := _CORRECTION_PART.fullmatch(path):
        yield from _part(store, path, match["hash"], CORRECTIONS)[1]
    elif match := _RUN_FILE.fullmatch(path):
        yield from _run_damages(store, path, match["run"], match["kind"], paths)
    elif match := _RECORDING_FILE.fullmatch(path):
        yield from _recording_damages(store, match, paths)
    else:
        yield from _other_damages(store, path, size)


def _other_damages(store: Store, path: str, size: int) -> Iterator[Damage]:
    """Of files that hold nothing of a run."""
    if _BENCHMARK_ROWS.fullmatch(path):
        if not is_whole(store.read_bytes(path)):
            detail = "its rows are not those that were kept; the next run asks the hub for them"
            yield Damage(path, "checksum", detail)
    elif _INVENTORY.fullmatch(path):
        if content_hash(store.read_bytes(path)) != path[-24:-8]:
            detail = "its bytes are not what was written; delete it, and the next load writes it anew"
            yield Damage(path, "checksum", detail)
    elif not _OWN_FILE.fullmatch(path):
        yield _stray(path, size)


def _stray(path: str, size: int) -> Damage:
    if path == PLAN:
        return Damage(path, "incomplete", "a pruning was cut short; `a2r prune --apply` ends it")
    hint = "a write that was cut off; it can be deleted" if ".tmp" in path else "not the store's"
    return Damage(path, "orphan", f"{hint} ({size} bytes)")


def _trace_damages(
    store: Store, match: re.Match[str], paths: set[str], recipes: dict[str, Recipe | None]
) -> Iterator[Damage]:
    path = match.string
    folder = path.rsplit("/", 1)[0]
    if folder not in recipes:
        recipes[folder], found = _recipe(store, folder, match["recipe"], paths)
        yield from found
    if match["hash"]:
        table, found = _part(store, path, match["hash"], *TRACE_LAYOUTS)
        yield from found
        if table is not None and (recipe := recipes[folder]):
            yield from _wrong_traces(path, table, recipe)


def _recording_damages(store: Store, match: re.Match[str], paths: set[str]) -> Iterator[Damage]:
    """An import's files belong together: their rows have the digest that names the folder."""
    folder, remedy = match["folder"], "delete the folder and import the log again"
    if f"{folder}/import.json" not in paths:
        yield Damage(match.string, "incomplete", f"import.json is missing beside it; {remedy}")
        return
    if not match["about"]:
        return
    problems = [path for path in paths if path.startswith(f"{folder}/") and path.endswith(".jsonl")]
    if len(problems) != 1 or f"{folder}/outputs.parquet" not in paths:
        yield Damage(folder, "incomplete", f"its problems or its outputs are missing; {remedy}")
        return
    files = (match.string, problems[0], f"{folder}/outputs.parquet")
    try:
        found = recording_name(*map(store.read_bytes, files))
    except (ValueError, KeyError, OSError, pa.ArrowException) as error:
        yield Damage(folder, "torn", f"cannot be read ({str(error).splitlines()[0]}); {remedy}")
        return
    if found != match["name"]:
        yield Damage(folder, "checksum", f"its rows are not what was imported; {remedy}")


def _part(
    store: Store, path: str, name_hash: str, *layouts: pa.Schema
) -> tuple[pa.Table | None, list[Damage]]:
    data = store.read_bytes(path)
    try:
        table = rows_of(pa.BufferReader(data))
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        return None, [Damage(path, "torn", f"is not readable Parquet ({reason}); delete it and run again")]
    if content_hash(data) != name_hash:
        return None, [Damage(path, "checksum", "its bytes are not what was written; delete it and run again")]
    if not any(table.schema.equals(layout) for layout in layouts):
        return None, [Damage(path, "schema", f"columns are {', '.join(table.schema.names)}")]
    return table, []


def _recipe(store: Store, folder: str, key: str, paths: set[str]) -> tuple[Recipe | None, list[Damage]]:
    path = f"{folder}/recipe.json"
    if path not in paths:
        return None, [Damage(path, "recipe", "is missing, so the ids beside it cannot be checked")]
    try:
        recipe = Recipe.read(store.read_bytes(path))
    except (orjson.JSONDecodeError, KeyError):
        return None, [Damage(path, "torn", "is not a recipe")]
    if recipe.key != key:
        return None, [Damage(path, "recipe", f"has the key {recipe.key}, not that of its folder")]
    return recipe, []


def _wrong_traces(path: str, table: pa.Table, recipe: Recipe) -> Iterator[Damage]:
    columns = ["trace_id", "problem_digest", "sample_index", "reference_ids"]
    for held, digest, index, references in zip(*table.select(columns).to_pydict().values(), strict=True):
        expected = trace_id(recipe, digest, index, references or ())
        if held != expected:
            yield Damage(path, "identity", f"trace {held} holds what has the id {expected}")
    if "answer_digest" in table.schema.names:
        columns = ["trace_id", "status", "answer", "answer_digest"]
        for held, status, answer, noted in zip(*table.select(columns).to_pydict().values(), strict=True):
            if noted is not None and noted != answer_digest(status, answer):
                yield Damage(path, "identity", f"trace {held} does not have the answer of its digest")


def _wrong_verdicts(store: Store, paths: set[str], recipes: dict[str, Recipe | None]) -> Iterator[Damage]:
    """Verdicts of which no reader can say any more what answer they are of."""
    by_key = {recipe.key: recipe for recipe in recipes.values() if recipe}
    graded = sorted({(m["grader"], m["recipe"]) for m in map(_GRADE_PART.fullmatch, paths) if m})
    for grader, key in graded:
        try:
            wrong = misjudged(RecipeIndex(store, by_key[key]).refresh(), grader) if key in by_key else ()
        except UserError:  # a damaged part, which is named above
            continue
        for part, trace in wrong:
            detail = f"the verdict on trace {trace} is of another answer than the one that counts; `a2r grade` decides anew"
            yield Damage(part, "verdict", detail)


def _wrong_problems(path: str, table: pa.Table) -> Iterator[Damage]:
    columns = table.select(["problem_id", "problem_digest", "question"]).to_pydict()
    for problem_id, digest, question in zip(*columns.values(), strict=True):
        if problem_digest(question) != digest:
            yield Damage(path, "identity", f"problem {problem_id} does not have the question of its digest")


def _run_damages(store: Store, path: str, run: str, kind: str, paths: set[str]) -> Iterator[Damage]:
    if kind == "parquet":
        try:
            schema = pq.read_schema(pa.BufferReader(store.read_bytes(path)))
        except (pa.ArrowException, OSError):
            yield Damage(path, "torn", "is not readable Parquet; run the experiment again")
            return
        if not schema.equals(MEMBERS):
            yield Damage(path, "schema", f"columns are {', '.join(schema.names)}")
        if manifest_path(run) not in paths:
            yield Damage(path, "incomplete", "its manifest was never written; it can be deleted")
        return
    try:
        Manifest.read(store.read_bytes(path))
    except NewerManifestError as error:
        yield Damage(path, "schema", str(error))
    except ValueError as error:
        reason = str(error).splitlines()[0]
        yield Damage(path, "torn", f"is not a manifest ({reason}); run the experiment again")
    if members_path(run) not in paths:
        yield Damage(path, "incomplete", "the list of its traces is missing")
