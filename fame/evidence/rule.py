"""When a head is called by an attribute: the thresholds, and the rule in words."""

from __future__ import annotations

from fame.text import number

__all__ = ["LEAST_GAIN", "LEAST_KNOWN", "LEAST_LEAD", "LEAST_PRECISION", "RULE", "SIGNIFICANCE"]

SIGNIFICANCE = 0.05  # of q, the p-value after Benjamini-Hochberg over all heads and attributes
LEAST_KNOWN = 0.1  # average precision beyond chance in the full embedding; less is nothing to be about
LEAST_PRECISION = 0.5  # average precision of a verdict; a name that can hardly be read off would mislead
LEAST_GAIN = -0.05  # of a verdict, as a part of what the full embedding knows beyond chance: at random spaces' level …
LEAST_LEAD = 0.1  # … and so much more than for every other attribute
RULE = (
    f"Of the attributes that the full embedding knows (average precision at least {LEAST_KNOWN} above chance), a head "
    "is called by the one with the largest gain. A gain is the average precision less the mean of random spaces of the "
    "head's width, as a part of what the full embedding knows beyond chance. The name stands where the attribute is "
    f"read from the head better than chance (q < {SIGNIFICANCE}), better than from popularity (by its whole interval) "
    f"with an average precision of at least {LEAST_PRECISION}, and no worse than from random spaces (gain at least "
    f"{number(LEAST_GAIN)}), and where the gain leads that of every other attribute by at least {LEAST_LEAD} and by "
    f"more than in random spaces (q < {SIGNIFICANCE}); q is p after Benjamini-Hochberg over all heads and attributes. "
    "Otherwise the head is unclear."
)
