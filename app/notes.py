"""The sentences behind numbers that more than one place shows: what each is."""

from __future__ import annotations

from collections.abc import Mapping

from app.widgets import Cell, Noted

__all__ = ["ACCURACY", "ATTENTION", "BEATS", "CHANGE", "FOUND", "HEADS", "LEADS", "PARTS", "RANK", "TURN", "header"]

ACCURACY = {
    "HR@10": "The part of histories whose next one is among the first ten of the list. 1, or 100%, is every history.",
    "NDCG@10": "As HR@10, but it counts less the further down it stands: 1 in first place, 0.63 in second, 0.29 in "
    "tenth.",
}
HEADS = {  # columns of the table of what each head does
    "head": "",
    "leads\u00a0in": "The part of histories in which no other head has more say.",
    "gate,\u00a0mean": "How much say the head has, mean over histories.",
    "overlap": "The part of the final list's first ten that is among the head's own first ten.",
    "HR@10": ACCURACY["HR@10"] + " Here of the head's own list alone.",
    "moves up most": "What would fall furthest in the final lists without the head's share.",
}

# Numbers in sentences, by what they look like there.
_SHARE, _SIGNED = r"(?:<1|[0-9]+)%", r"[+−][0-9.]*[0-9]"
_GATE = "How much say the head has in the final score after this history. All heads together have 100%."
_AVERAGE = "The average candidate has the mean score over all that may be recommended."
RANK = {
    rf"gate {_SHARE}": _GATE,
    rf"{_SHARE} of its lead": "The part that comes from these heads. A head's part is its gate × (its score less its "
    f"mean score over the candidates). {_AVERAGE}",
    rf"{_SHARE} of its support": "The part that comes from these heads, of all that speaks for it: gate × (score less "
    "mean score over the candidates), where that is above 0.",
    r"[0-9.]*[0-9] (?:below|above)|[+−][0-9.]*[0-9] (?:above|from)": f"Its score less theirs. {_AVERAGE}",
    rf"\({_SIGNED}\)": "The head's gate × (its score less its mean score over the candidates).",
}
BEATS = {
    r"by [0-9.]*[0-9](?=[:,])": "The higher score less the lower one: the sum of the bars below.",
    rf"\({_SIGNED}\)": "The head's gate × score of the winner, less that of the other one. + speaks for the winner.",
}
ATTENTION = {
    rf"{_SHARE} of its attention": "Its experts' attention, mixed by the router. Over the whole history it is 100%.",
    rf"\({_SIGNED}\)": "How far that falls when the model runs again without this one.",
    rf"adds {_SIGNED}|takes [0-9.]*[0-9] off": "How far that score falls, or rises, when the model runs again without "
    "this one.",
    rf"\({_SHARE}\)|\({_SHARE}(?=,)": "The weight that the router gives the expert. A head's experts have 100% in all.",
    r"entropy (?:is )?[0-9.]+ of 1": "How evenly the router spreads its weight: 1 is the same for all experts, 0 is "
    "one expert alone.",
}
PARTS = {
    rf"{_SIGNED} against": f"The head's gate × score, less its mean over the candidates. {_AVERAGE}",
    _SIGNED: "A part of what the head gives. The parts add up to it exactly.",
}
FOUND = {
    r"[01]\.[0-9]+": "Average precision of a probe: how well a straight cut through the space finds what has a value. "
    "1 is perfect.",
}
LEADS = {
    rf"in {_SHARE}": HEADS["leads\u00a0in"],
    rf"\({_SHARE}\)": "The part of those histories in which this head leads.",
}
TURN = {_SHARE: "The share before and after this step. The shares of one step add up to 100%."}
CHANGE = {
    rf"{_SHARE} alike": "Rank-biased overlap of the two lists: 100% for equal lists; the first places count most.",
    rf"{_SIGNED} with": "The direct effect: what B's experts say, weighed by the gate and routers of A.",
    rf"{_SIGNED} more": "The indirect effect: what follows from gate and routers changing too.",
    rf"by {_SIGNED}": "The score in B less the score in A.",
}


def header(notes: Mapping[str, str]) -> list[Cell]:
    """The head of a table whose columns have these sentences; those with an empty one stand alone."""
    return [Noted(name, note) if note else name for name, note in notes.items()]
