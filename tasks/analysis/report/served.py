"""The report over a whole root as a web application: pages and their answers, read-only.

Every text that a model wrote goes out as JSON or through a template that escapes it, and the page makes text nodes of it;
the Content-Security-Policy allows no script but the page's own files. Under a name that is not this machine's own, nothing
is answered, so that no page from elsewhere reads a root through the reader's browser.
"""

import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import Literal

import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import Route

from configs.schema import UserError
from tasks.analysis.report.assets import (
    ENVIRONMENT,
    READER,
    katex_script,
    page_file,
    page_values,
    run_labels,
    script_of,
)
from tasks.analysis.report.data import read_findings
from tasks.analysis.report.listing import Filters, Pairing
from tasks.analysis.report.live_root import LiveRoot
from tasks.analysis.report.under_way import UnderWay
from warehouse.store import Store

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
NUM_RUNS = 50
"""Runs on one page of the overview."""
NUM_NIGHTS = 7
"""Nights whose reports the overview names."""
MOST_ROWS = 200
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_SCRIPTS: Mapping[str, tuple[str, ...]] = {
    "report.js": ("dom.js", "served.js", *READER, "open_served.js"),
    "overview.js": ("dom.js", "served.js", "charts.js", "overview.js"),
    "underway.js": ("dom.js", "served.js", *READER[:-1], "underway.js"),
}

Answer = Callable[["Pages", QueryParams], object]


class Pages:
    """What each address answers, from the query of its request. Raises UserError."""

    def __init__(self, store: Store, reports: Path | None) -> None:
        self.root, self.reports = LiveRoot(store), reports
        self.under_way = UnderWay(self.root)

    def overview(self, query: QueryParams) -> str:
        """The runs of the root, newest first, and what is under way."""
        experiment, first = query.get("experiment") or None, _number(query, "first")
        problem = None
        try:
            runs = self.root.ask("asking/runs", experiment=experiment, num_runs=first + NUM_RUNS + 1)[first:]
            experiments = [row["experiment"] for row in self.root.ask("report/experiments")]
        except UserError as error:
            runs, experiments, problem = [], [], str(error)
        return ENVIRONMENT.get_template("overview.html.jinja").render(
            root=self.root.store.root,
            runs=runs[:NUM_RUNS],
            has_more=len(runs) > NUM_RUNS,
            first=first,
            num_runs=NUM_RUNS,
            experiments=experiments,
            experiment=experiment,
            problem=problem,
            nights=self._nights()[:NUM_NIGHTS],
        )

    def night(self, name: str) -> Path | None:
        """The report of that name."""
        return next((path for path in self._nights() if path.name == name), None)

    def _nights(self) -> list[Path]:
        return sorted(self.reports.glob("night-*.html"), reverse=True) if self.reports else []

    def report(self, query: QueryParams) -> str:
        """The report of some runs."""
        found = self.root.summary(query.getlist("run"))
        values = page_values(found) | {"is_served": True, "data": {"runs": run_labels(found)}}
        return ENVIRONMENT.get_template("page.html.jinja").render(values)

    def listed(self, query: QueryParams) -> object:
        """What the list of problems of some runs can be filtered by, and how many there are."""
        listing = self.root.listing(query.getlist("run"))
        return {
            "keys": listing.keys,
            "verdicts": listing.verdicts,
            "num_problems": listing.num_problems,
        }

    def underway(self, query: QueryParams) -> str:
        """A stage under way, and one of its problems."""
        return ENVIRONMENT.get_template("underway.html.jinja").render(
            stage=query.get("stage"), recipe=query.get("recipe")
        )

    def charts(self, query: QueryParams) -> object:
        """The charts of some runs."""
        from tasks.analysis.report.figures import charts  # noqa: PLC0415 - loads slowly, and the tables do not wait for it
        from tasks.analysis.report.history import charts_as_json, history_charts  # noqa: PLC0415

        run_ids = [run["run_id"] for run in self.root.summary(query.getlist("run")).runs]
        with self.root.catalog() as catalog:
            found = read_findings(catalog, run_ids, _CHARTED)
        return charts_as_json([*charts(found), *history_charts(found.history)])

    def history(self, query: QueryParams) -> object:
        """The history of the experiment that a run is of."""
        from tasks.analysis.report.history import charts_as_json, history_charts  # noqa: PLC0415 - as above

        return charts_as_json(history_charts(self.root.ask("report/history", run_ids=[query.get("run", "")])))

    def problems(self, query: QueryParams) -> object:
        """A page of the list of problems."""
        given = {field.name: query[field.name] for field in fields(Filters) if field.name in query}
        filters = Filters(**(given | {"is_down": given.get("is_down") == "true"}))  # pyright: ignore[reportArgumentType]
        return self.root.listing(query.getlist("run")).page(filters, _number(query, "first"), _count(query))

    def values(self, query: QueryParams) -> object:
        """What a column of the metadata holds."""
        return self.root.listing(query.getlist("run")).values(query.get("key", ""))

    def find(self, query: QueryParams) -> object:
        """A problem of the list."""
        return self.root.listing(query.getlist("run")).find(query.get("only", ""), query.get("problem", ""))

    def texts(self, query: QueryParams) -> object:
        """What happened to a problem in a run."""
        problem = self.root.problem(query.get("run", ""), query.get("digest", ""))
        return problem.content() if problem else None

    def elsewhere(self, query: QueryParams) -> object:
        """The same wording in all runs."""
        return self.root.ask("report/elsewhere", digest=query.get("digest", ""))

    def differences(self, query: QueryParams) -> object:
        """Two of the runs, problem by problem."""
        pairing = Pairing(*(query.get(name, "") for name in ("a", "b", "metric", "kind")))
        listing = self.root.listing(query.getlist("run"))
        return listing.differences(pairing, _number(query, "first"), _count(query))

    def stages(self, _query: QueryParams) -> object:
        """What is under way now."""
        return [asdict(stage) for stage in self.under_way.stages()]

    def arrived(self, query: QueryParams) -> object:
        """What has come of a problem under way."""
        stage, recipe, problem = (query.get(name, "") for name in ("stage", "recipe", "problem"))
        return self.under_way.problem(stage, recipe, problem)


_CHARTED = frozenset({"leaderboard", "metrics", "methods", "paths", "curves", "pairs", "flows", "history"})
_PAGES: Mapping[str, Answer] = {"/": Pages.overview, "/report": Pages.report, "/underway": Pages.underway}
_ANSWERS: Mapping[str, Answer] = {
    name: getattr(Pages, name)
    for name in (
        *("listed", "problems", "values", "find", "texts", "elsewhere", "differences"),
        *("charts", "history", "stages", "arrived"),
    )
}


@contextmanager
def served_root(store: Store, host: str, port: int) -> Iterator[tuple[str, Callable[[], None]]]:
    """The address where a root is served, and what serves it until it is interrupted; port 0 is any.

    Raises UserError for a folder that does not exist, or an address that cannot be listened to.
    """
    if store.is_local and not Path(store.root).is_dir():
        raise UserError(f"The root {store.root} does not exist; name one with --root.")
    is_loopback = host in {"127.0.0.1", "localhost", "::1"}
    app = application(store, LOOPBACK_NAMES if is_loopback else ("*",))
    with _listening(host, port) as listening:
        name = f"[{host}]" if ":" in host else host
        server = server_of(app)
        yield (
            f"http://{name}:{listening.getsockname()[1]}",
            lambda: server.run(sockets=[listening]),
        )


def server_of(app: Starlette) -> uvicorn.Server:
    """What serves an application, and ends within seconds of being told to."""
    return uvicorn.Server(
        uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=2)
    )


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(
            f"Port {port} of {host} cannot be listened to: {reason}; choose another with --port or --host."
        ) from error


def application(
    store: Store, names: tuple[str, ...] = LOOPBACK_NAMES, reports: Path | None = None
) -> Starlette:
    """The application over a root, answering under these host names; `*` is any.

    `reports` is the folder of the nights' reports, which are served too.
    """
    pages = Pages(store, reports)
    routes = [
        *(Route(path, _answered(pages, answer, "page"), methods=["GET"]) for path, answer in _PAGES.items()),
        *(
            Route(f"/api/{name}", _answered(pages, answer, "data"), methods=["GET"])
            for name, answer in _ANSWERS.items()
        ),
        Route("/favicon.ico", lambda _: RedirectResponse("/assets/favicon.svg", headers=_HEADERS)),
        Route("/assets/{name}", _asset, methods=["GET"]),
        Route("/{name}", _night_of(pages), methods=["GET"]),
    ]
    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=list(names), www_redirect=False)
    return Starlette(routes=routes, middleware=[hosts, Middleware(GZipMiddleware, compresslevel=1)])


def _answered(
    pages: Pages, answer: Answer, kind: Literal["page", "data"]
) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        try:
            content = await run_in_threadpool(answer, pages, request.query_params)
        except UserError as error:
            return _refused(str(error), kind)
        return _response(content, kind)

    return handle


def _night_of(pages: Pages) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        path = await run_in_threadpool(pages.night, request.path_params["name"])
        if path is None:
            return _refused("There is no such page.", "page")
        return FileResponse(path, headers={"X-Content-Type-Options": "nosniff"})  # with a policy of its own

    return handle


def _response(content: object, kind: Literal["page", "data"], status: int = 200) -> Response:
    if kind == "page":
        return Response(str(content), status, _HEADERS, "text/html; charset=utf-8")
    return Response(
        orjson.dumps(content, option=orjson.OPT_UTC_Z), status, _HEADERS, "application/json; charset=utf-8"
    )


def _refused(sentence: str, kind: Literal["page", "data"]) -> Response:
    if kind == "page":
        return _response(
            ENVIRONMENT.get_template("refused.html.jinja").render(sentence=sentence), "page", 404
        )
    return _response({"error": sentence}, "data", 404)


async def _asset(request: Request) -> Response:
    name = request.path_params["name"]
    if name in _SCRIPTS:
        return _file(script_of(*_SCRIPTS[name]), "text/javascript")
    if name in {"page.css", "favicon.svg"}:
        return _file(page_file(name), "text/css" if name == "page.css" else "image/svg+xml")
    library = {"plotly.js": _plotly_script, "katex.js": katex_script}.get(name)
    text = await run_in_threadpool(library) if library else None
    if text is None:
        return Response(status_code=404, headers=_HEADERS)
    return _file(text, "text/javascript", {"Cache-Control": "private, max-age=86400"})


def _file(text: str, media_type: str, headers: Mapping[str, str] | None = None) -> Response:
    return Response(text, headers=_HEADERS | dict(headers or {}), media_type=f"{media_type}; charset=utf-8")


def _plotly_script() -> str:
    from plotly.offline import get_plotlyjs  # noqa: PLC0415 - as above

    return get_plotlyjs()


def _number(query: QueryParams, name: str) -> int:
    text = query.get(name, "0")
    if not text.isdecimal():
        raise UserError(f"{name} is {text!r}; give a number of rows.")
    return int(text)


def _count(query: QueryParams) -> int:
    return min(_number(query, "count") or NUM_RUNS, MOST_ROWS)
