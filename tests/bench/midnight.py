"""A cron of every minute across a midnight, under a real `a2r up`: which nights fire by themselves, and what they ask for.

    python tests/bench/midnight.py --timezone Europe/Berlin     # started some minutes before midnight there

The night has fresh samples: the first night before midnight asks for exactly N a problem, those after it on the same date
for nothing, the first one after midnight for exactly N again. Ends when two nights of the new date are complete.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from endpoints.nights import experiment_file
from endpoints.operating import Operator
from endpoints.scripted import ScriptedEndpoint

WHOLE = {"small": 40, "big": 20}


def has_two_of_the_new_date(names):
    """Whether two nights of a later date than the first one's are complete."""
    return len(set(names)) > 1 and names.count(max(names)) > 1


def main():
    """Watch the nights end, one line each; exit 1 if a night asked for anything but N a problem or nothing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--timezone", required=True)
    parser.add_argument("--minutes", type=float, default=15)
    options = parser.parse_args()
    until = time.monotonic() + 60 * options.minutes
    with tempfile.TemporaryDirectory() as name, ScriptedEndpoint() as endpoint:
        folder = Path(name)
        path = experiment_file(folder, endpoint)
        entry = {"experiment": path.name, "samples": "fresh"}
        night = {"cron": "* * * * *", "timezone": options.timezone, "experiments": [entry]}
        nights, bad = {}, 0
        with Operator(folder, night) as operator:
            deployment = operator.deployment("nightly")["id"]
            while not has_two_of_the_new_date(list(nights.values())) and time.monotonic() < until:
                of_it = {"id": {"any_": [deployment]}}
                for run in operator.runs(deployments=of_it, sort="EXPECTED_START_TIME_ASC"):
                    if run["state_type"] == "COMPLETED" and run["id"] not in nights:
                        expected = {} if run["name"] in nights.values() else WHOLE
                        nights[run["id"]] = run["name"]
                        bad += endpoint.by_model != expected or not run["auto_scheduled"]
                        print(
                            f"scheduled {run['expected_start_time']}, started {run['start_time']}, by itself: "
                            f"{run['auto_scheduled']}, {run['name']}: asked for {dict(endpoint.by_model)}",
                            flush=True,
                        )
                        endpoint.reset()
                time.sleep(0.2)
    raise SystemExit(bad > 0 or not has_two_of_the_new_date(list(nights.values())))


if __name__ == "__main__":
    main()
