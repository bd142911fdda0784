"""How long work that belongs to no stage says how far it is."""

from collections.abc import Callable

OnProgress = Callable[[int, int], None]
"""What is called with the units done and the units there are."""


def silent(_done: int, _total: int) -> None:
    """Show nothing."""
