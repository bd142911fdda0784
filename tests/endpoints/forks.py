"""Functions called each in a child of one process that has imported their modules: a child costs a fork, not its imports."""

import json
import os
import subprocess
import sys
import traceback
from importlib import import_module


class Forks:
    """One child after the other; environment and import path are those of the first one."""

    def __init__(self, *modules):
        self._modules, self._process = modules, None

    def start(self, function, *arguments):
        """Call `module:function` with these values of JSON in a child; returns its process id."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, __file__, *self._modules],
                env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        self._process.stdin.write(json.dumps([function, *arguments]) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def ended(self):
        """Wait for the child; its exit code, or the signal that killed it as a negative number."""
        return int(self._process.stdout.readline())

    def run(self, function, *arguments):
        """Both."""
        self.start(function, *arguments)
        return self.ended()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._process:
            self._process.stdin.close()
            self._process.wait(60)
            self._process.stdout.close()


def called(function, *arguments):
    """Call it in this process, a child, and leave."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # the parent's commands
    os.dup2(2, 1)
    module, _, name = function.partition(":")
    try:
        getattr(import_module(module), name)(*arguments)
    except BaseException:  # noqa: BLE001 - printed as Python does; nothing of the parent's may go on here
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    sys.path.pop(0)  # this folder, which is no place for what is imported
    for imported in sys.argv[1:]:
        import_module(imported)
    with os.fdopen(os.dup(1), "w") as replies:
        for line in sys.stdin:
            child = os.fork()
            if not child:
                called(*json.loads(line))
            print(child, file=replies, flush=True)
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), file=replies, flush=True)
