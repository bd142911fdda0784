"""The nights' reports open in a browser of this machine, and `a2r up` tells each night's end."""

import json
import shutil
import threading
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from tasks.ops.night_watch import NightWatch
from tasks.ops.reports import (
    ADDRESS_VARIABLE,
    how_to_read,
    reports_folder,
    served_reports,
    write_night_report,
)
from warehouse.loader import load
from warehouse.store import Store

STORED = Path(__file__).parents[1] / "data/stored"


@pytest.fixture
def store(tmp_path):
    shutil.copytree(STORED / "root", tmp_path / "root")
    found = Store(str(tmp_path / "root"))
    load(found)
    return found


def test_report_is_served_to_loopback_and_nothing_else_is(store, unused_port):
    run_id = json.loads((STORED / "golden/sums.json").read_text())["run_id"]
    for day in (27, 28):
        path = write_night_report(store, date(2026, 11, day), [run_id])
    port = unused_port()
    with served_reports(store, port) as address:
        assert address == f"http://127.0.0.1:{port}"
        overview = httpx.get(address, timeout=60).text
        assert overview.index("/night-2026-11-28.html") < overview.index("/night-2026-11-27.html")
        assert run_id in overview, "and all runs"
        newest = httpx.get(f"{address}/night-2026-11-28.html")
        assert newest.content == path.read_bytes() and newest.headers["content-type"].startswith("text/html")
        assert httpx.get(f"{address}/night-2026-11-27.html").status_code == 200
        for elsewhere in ("/night-2026-11-28.html/x", "/..%2fcatalog.duckdb", "/x.html", "/reports"):
            assert httpx.get(address + elsewhere).status_code == 404, elsewhere
        assert httpx.get(newest.url, headers={"Host": "evil.example:80"}).status_code == 400
        assert httpx.get(newest.url, headers={"Host": "localhost:9999"}).status_code == 200
        assert httpx.post(newest.url).status_code == 405
        with served_reports(store, port) as second:
            assert second != address, "a taken port costs its number, nothing else"
            assert httpx.get(f"{second}{newest.url.path}").status_code == 200
    with pytest.raises(httpx.ConnectError):
        httpx.get(address)


def test_link_is_given_only_where_this_root_is_served(store, monkeypatch):
    path = reports_folder(store) / "night-2026-11-28.html"
    monkeypatch.delenv(ADDRESS_VARIABLE, raising=False)
    assert f"`{path}`" in how_to_read(store, path) and "](http" not in how_to_read(store, path)
    monkeypatch.setenv(ADDRESS_VARIABLE, "http://127.0.0.1:4201")
    monkeypatch.setenv("A2R_ROOT", "/elsewhere")
    assert "](http" not in how_to_read(store, path)
    monkeypatch.setenv("A2R_ROOT", store.root)
    assert "[Open the report](http://127.0.0.1:4201/night-2026-11-28.html)" in how_to_read(store, path)


class Prefect(ThreadingHTTPServer):
    """The one question of Prefect's server that is asked, answered from a list of runs."""

    def __init__(self):
        self.ended, self.scheduled, self.asked = [], [], []
        prefect = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                prefect.asked.append(body)
                runs = prefect.ended if "end_time" in body["flow_runs"] else prefect.scheduled
                data = json.dumps(runs).encode()
                self.send_response(200 if prefect.ended is not None else 503)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)


@pytest.fixture
def prefect():
    with Prefect() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def ended(kind, message, end="2026-11-29T02:10:00+00:00"):
    state = {"type": kind, "message": message}
    return {"id": "1", "name": "night of 2026-11-29", "state_type": kind, "state": state, "end_time": end}


def test_each_end_is_told_once_with_the_next_beginning(prefect):
    now = [0.0]
    watch = NightWatch(f"http://127.0.0.1:{prefect.server_port}", "Europe/Berlin", clock=lambda: now[0])

    def news():
        now[0] += 5
        return list(watch.news())

    assert list(watch.news()) == [] and prefect.asked == [], "not asked more often than every few seconds"
    assert news() == []
    prefect.ended = [ended("FAILED", "Press Retry. sums is not complete.\nsums: it broke")]
    assert news() == [
        "Night of 2026-11-29 failed: Press Retry. sums is not complete. No further night is scheduled."
    ]
    prefect.scheduled = [{"expected_start_time": datetime(2026, 11, 30, 1, tzinfo=UTC).isoformat()}]
    assert news() == []
    prefect.ended = [ended("COMPLETED", "sums is complete.", "2026-11-29T08:00:00+00:00"), *prefect.ended]
    assert news() == [
        "Night of 2026-11-29: sums is complete. The next night begins Monday, 30 November, 02:00 Europe/Berlin."
    ], "a retried night ends again"
    prefect.ended = [ended("CRASHED", None, "2026-11-29T09:00:00+00:00")]
    assert news()[0].startswith("Night of 2026-11-29 crashed. The next")


def test_silent_server_costs_nothing(unused_port):
    now = iter([0.0, 9.0, 9.0])
    assert list(NightWatch(f"http://127.0.0.1:{unused_port()}", "UTC", clock=lambda: next(now)).news()) == []
