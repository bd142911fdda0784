"""Command lines of a2r one after the other in one process: each as a terminal would have it, what it imports paid once."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace


class InARow:
    """To be called with the arguments of a command, run in the caller's folder; the environment is that of the first one."""

    def __init__(self, **options):
        self._options, self._process = options, None

    def __call__(self, *arguments, code=0):
        """What it printed on `stdout` and `stderr`."""
        done = self.ended(*arguments)
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def ended(self, *arguments):
        """The same, whatever it exits with."""
        if self._process is None:
            command = [sys.executable, __file__]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "encoding": "utf-8"}
            self._process = subprocess.Popen(command, **pipes, **self._options)
        self._process.stdin.write(json.dumps([str(Path.cwd()), *map(str, arguments)]) + "\n")
        self._process.stdin.flush()
        told = self._process.stdout.readline()
        assert told, f"the process of the commands ended with {self._process.wait()} at {arguments}"
        return SimpleNamespace(**json.loads(told))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._process:
            self._process.stdin.close()
            self._process.wait(60)
            self._process.stdout.close()


def ran(main, folder, *arguments):
    """One command line: its exit status, what it printed."""
    os.chdir(folder)
    sys.argv = ["a2r", *arguments]
    code = 0
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        try:
            main()
        except SystemExit as ended:
            code = ended.code or 0
        sys.stdout.flush()
        sys.stderr.flush()
        said = {
            name: os.pread(file.fileno(), 2**24, 0) for name, file in {"stdout": out, "stderr": err}.items()
        }
    return {"returncode": code} | {name: text.decode(errors="replace") for name, text in said.items()}


if __name__ == "__main__":
    sys.path.pop(0)  # this folder, which is no place for what is imported
    from flows.cli import main

    with os.fdopen(os.dup(1), "w", encoding="utf-8") as replies:
        for line in sys.stdin:
            print(json.dumps(ran(main, *json.loads(line))), file=replies, flush=True)
