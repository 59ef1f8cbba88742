"""Whether the heads are about anything: what was measured when a bundle was made, as it stands in evidence.json.

`record` holds the figures, `checked` reads them at the door, `rule` says when a head is called by an attribute, and
`answer` says in plain sentences what all of it amounts to.
"""

from fame.evidence.answer import why
from fame.evidence.record import SLICES, Apart, Evidence, Interval, Lift, Recovered, Verdict
from fame.evidence.rule import LEAST_GAIN, LEAST_KNOWN, LEAST_LEAD, LEAST_PRECISION, RULE, SIGNIFICANCE

__all__ = [
    "LEAST_GAIN",
    "LEAST_KNOWN",
    "LEAST_LEAD",
    "LEAST_PRECISION",
    "RULE",
    "SIGNIFICANCE",
    "SLICES",
    "Apart",
    "Evidence",
    "Interval",
    "Lift",
    "Recovered",
    "Verdict",
    "why",
]
