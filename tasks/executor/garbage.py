"""How often a process that imports much looks for garbage."""

import gc

OBJECTS_BETWEEN_LOOKS = 50_000


def look_seldom() -> None:
    """What is imported stays: to look through it as often as Python does is a fifth of the time it takes to start."""
    gc.set_threshold(OBJECTS_BETWEEN_LOOKS)
