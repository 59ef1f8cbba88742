"""What a head is called, and what speaks against it: the rule of `fame.evidence`."""

from __future__ import annotations

from typing import Any

import numpy as np

from fame.evidence import LEAST_GAIN, LEAST_LEAD, LEAST_PRECISION, SIGNIFICANCE
from fame.text import number

__all__ = ["UNCLEAR", "lead_over", "unclear", "verdict", "verdict_table"]

UNCLEAR = "unclear"


def lead_over(gain: np.ndarray) -> np.ndarray:
    """How far each attribute's gain is above the largest of the others': [… A] -> [… A]. NaN stays out of it.

    Of a single attribute it is the gain itself.
    """
    open_ = np.where(np.isnan(gain), -np.inf, gain)
    if gain.shape[-1] < 2:
        return gain
    second, first = np.moveaxis(np.sort(open_, -1)[..., -2:], -1, 0)[..., None]
    rival = np.where(open_ == first, second, first)
    return gain - np.where(np.isinf(rival), 0, rival)


def verdict(
    ap: np.ndarray,
    gain: np.ndarray,
    lead: np.ndarray,
    q_null: np.ndarray,
    q_lead: np.ndarray,
    low: np.ndarray,
    popularity: np.ndarray,
) -> tuple[int | None, tuple[str, ...]]:
    """The attribute that a head is most about, and what speaks against calling the head by it. See RULE.

    All arguments are [A]; a gain is NaN for an attribute that the full embedding does not know. None where none is.
    """
    if np.isnan(gain).all():
        return None, ("the full embedding knows none of the attributes",)
    best = int(np.nanargmax(gain))
    against = {
        "hard to read": not ap[best] >= LEAST_PRECISION,
        "no better than chance": not q_null[best] < SIGNIFICANCE,
        "no better than popularity": not low[best] > popularity[best],
        "worse than random spaces": not gain[best] >= LEAST_GAIN,
        "hardly more than for another attribute": not lead[best] >= LEAST_LEAD,
        "its lead is no larger than random spaces have": not q_lead[best] < SIGNIFICANCE,
    }
    return best, tuple(reason for reason, holds in against.items() if holds)


def verdict_table(
    head: int, attribute: str, best: int | None, against: tuple[str, ...], figures: dict[str, float]
) -> dict[str, Any]:
    """The verdict of a head, from 1, with its reasons in words.

    attribute, best, against: what the head is most about, and what speaks against calling it so (see `verdict`).
    figures: of that attribute: precision, chance, random, full, gain and lead.
    """
    why = ""
    if best is not None:
        f = figures
        why = (
            f"{attribute}: average precision {f['precision']:.2f} (chance {f['chance']:.2f}, random spaces "
            f"{f['random']:.2f}, full embedding {f['full']:.2f}), gain {number(f['gain'], plus=True)}, "
            f"lead {number(f['lead'])}"
        )
    why += "; but " * bool(why and against) + ", ".join(against)
    called = attribute if best is not None and not against else None
    return {"head": head, "verdict": called or UNCLEAR, "attribute": called, "why": why}


def unclear(n_heads: int, why: str) -> list[dict[str, Any]]:
    """The verdicts where nothing could be probed."""
    return [{"head": h + 1, "verdict": UNCLEAR, "attribute": None, "why": why} for h in range(n_heads)]
