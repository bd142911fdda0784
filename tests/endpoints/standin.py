"""A program that starts like `vllm serve` and answers like the scripted endpoint, with a child of its own.

Everything it lives through is a line in the file named by STANDIN_EVENTS; STANDIN_FAILS makes it
print that text and end, as a server that runs out of memory does. STANDIN_DEAD is a file that it makes at its
third request, after which its engine is dead, as vLLM's may be: the API goes on, /health says 503, nothing comes.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from endpoints.scripted import ScriptedEndpoint


def event(kind, **told):
    with Path(os.environ["STANDIN_EVENTS"]).open("a") as file:
        file.write(json.dumps({"kind": kind, "pid": os.getpid(), **told}) + "\n")


def main():
    parser = argparse.ArgumentParser()
    for flag in ("--model", "--served-model-name", "--host"):
        parser.add_argument(flag, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--enforce-eager", action="store_true")
    arguments = parser.parse_args()
    if text := os.environ.get("STANDIN_FAILS"):
        sys.exit(text)
    child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    event(
        "started",
        child=child.pid,
        model=arguments.model,
        name=arguments.served_model_name,
        gpus=os.environ.get("CUDA_VISIBLE_DEVICES"),
    )
    sys.stdout.write("loading\n")
    sys.stdout.flush()
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    served = ScriptedEndpoint(
        models=(arguments.served_model_name,),
        key=os.environ.get("VLLM_API_KEY"),
        port=arguments.port,
        latency=arguments.latency,
        health=lambda: 503 if is_dead.is_set() else 200,
    )
    is_dead, mark = threading.Event(), os.environ.get("STANDIN_DEAD")

    def fault(number, _):
        if mark and number == 3 and not Path(mark).exists():
            Path(mark).touch()
            is_dead.set()
        return ("hang", 600) if is_dead.is_set() else None

    served.fault = fault
    with served:
        while not stopped.wait(0.05):
            pass
    event("stopped", answered=served.num_samples, at=time.time())


if __name__ == "__main__":
    main()
