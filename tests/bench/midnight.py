"""A cron of every minute across a midnight, under a real `a2r up`: which nights fire by themselves, and what they ask for.

    python tests/bench/midnight.py --timezone Europe/Berlin     # started some minutes before midnight there

The night has fresh samples: the first night before midnight asks for exactly N a problem, those after it on the same date
for nothing, the first one after midnight for exactly N again. Runs until two nights of the new date are complete.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from endpoints.nights import experiment_file
from endpoints.operator import Operator
from endpoints.scripted import ScriptedEndpoint


def main():
    """Watch the nights end, one line each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--timezone", required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, ScriptedEndpoint() as endpoint:
        folder = Path(name)
        path = experiment_file(folder, endpoint)
        entry = {"experiment": path.name, "samples": "fresh"}
        night = {"cron": "* * * * *", "timezone": options.timezone, "experiments": [entry]}
        operator = Operator(folder, night)
        operator.up()
        deployment = operator.deployment("nightly")["id"]
        seen = {}
        try:
            while (
                list(seen.values()).count(max(seen.values(), default="")) < 2 or len(set(seen.values())) < 2
            ):
                for run in operator.runs(
                    deployments={"id": {"any_": [deployment]}}, sort="EXPECTED_START_TIME_ASC"
                ):
                    if run["state_type"] == "COMPLETED" and run["id"] not in seen:
                        seen[run["id"]] = run["name"]
                        print(
                            f"scheduled {run['expected_start_time']}, started {run['start_time']}, by itself: "
                            f"{run['auto_scheduled']}, {run['name']}: asked for {dict(endpoint.by_model)}",
                            flush=True,
                        )
                        endpoint.reset()
                time.sleep(0.2)
        finally:
            operator.stop()


if __name__ == "__main__":
    main()
