"""Numbers and words as people read them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

__all__ = ["digits_for", "figure", "listing", "number", "ordinal", "percent", "plural", "words"]


def number(value: float, digits: int = 2, plus: bool = False) -> str:
    """A number with a true minus sign, with a plus where asked; what rounds to zero has no sign."""
    shown = f"{abs(value):.{digits}f}"
    if not float(shown):
        return shown
    return f"{'−' if value < 0 else '+' if plus else ''}{shown}"


def figure(value: float, digits: int = 2, plus: bool = False) -> str:
    """As `number`, but with one figure of what would round to zero: 0.003, not 0.00. Only zero itself has no sign."""
    if value and not float(f"{abs(value):.{digits}f}"):
        digits = -int(f"{value:.0e}".partition("e")[2])
    return number(value, digits, plus)


def digits_for(values: np.ndarray) -> int:
    """Decimals that show about three figures of the largest of `values`."""
    largest = float(np.abs(values).max(initial=0.0))
    return 2 if largest <= 0 else min(5, max(0, 2 - math.floor(math.log10(largest))))


def percent(share: float) -> str:
    """A share in whole percent, and '<1%' where that would say nothing; halves go up, as in the browser."""
    return "<1%" if 0 < share < 0.005 else f"{math.floor(100 * float(share) + 0.5)}%"


def plural(count: int, word: str) -> str:
    """'1 head', '2 heads', '1,000 heads'."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def ordinal(n: int) -> str:
    """'first' to 'tenth', then '11th', '42nd', '1,003rd'."""
    words = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
    if 1 <= n <= len(words):
        return words[n - 1]
    ending = "th" if n % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n:,}{ending}"


def listing(words: Sequence[str], last: str = "and") -> str:
    """'a', 'a and b', 'a, b and c'."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"


def words(noun: str) -> dict[str, str]:
    """A noun as sentences need it: {one}, {many} and, with its article, {a}."""
    return {"one": noun, "many": f"{noun}s", "a": f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"}
