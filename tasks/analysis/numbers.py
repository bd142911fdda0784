"""How numbers are written for people, the same wherever they are read: shares, intervals, counts, dollars, spans."""

import math

NOTHING = "–"
"""What is not known."""


def share(value: float | None) -> str:
    """An accuracy: 0.689."""
    return NOTHING if value is None else f"{value:.3f}"


def interval(low: float | None, high: float | None) -> str:
    """Such as 0.660 – 0.717."""
    return NOTHING if low is None or high is None else f"{low:.3f} – {high:.3f}"


def count(value: int | None) -> str:
    """Such as 1,200."""
    return NOTHING if value is None else f"{value:,}"


def money(dollars: float | None) -> str:
    """Dollars in plain decimals: 1,234.56, 0.12, 0.000051; cents, and below a cent two digits that say something."""
    if dollars is None:
        return NOTHING
    if dollars == 0 or dollars >= 0.01:  # noqa: PLR2004 - a cent
        return f"{dollars:,.2f}"
    return f"{dollars:.{1 - math.floor(math.log10(dollars))}f}"


def span(seconds: float) -> str:
    """Such as 42 s, 7 min, 3 h 20 min."""
    if seconds < 60:  # noqa: PLR2004 - seconds in a minute
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
