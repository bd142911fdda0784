"""The process that ends what is on a leash when its owner has ended; see `tasks.engines.processes.Leash`.

    python -m tasks.engines.leash VALUE [FOLDER]

Then it removes FOLDER, which belonged to what was on the leash.

It is in a session of its own: neither a Ctrl-C at the terminal nor the death of the owner's process group
reaches it.
"""

import shutil
import sys
import time

from tasks.engines.processes import end_leashed


def main(value: str, folder: str | None = None) -> None:
    """Wait for a line, which the owner writes, or for the end of input, which the kernel gives if the owner is gone."""
    is_asked = bool(sys.stdin.buffer.readline())
    end_leashed(value)
    if not is_asked:  # once more, for a process that was just being started
        time.sleep(1)
        end_leashed(value)
    if folder:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
