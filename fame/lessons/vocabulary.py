"""The words that a lesson's file may use, each with what it means."""

from __future__ import annotations

__all__ = ["ANSWERS", "DEEDS", "FACTS", "FORMULAS", "HISTORIES", "PICTURES", "SCREENS"]

# Pictures, and of each the parts that can be lit, by CSS.
PICTURES: dict[str, dict[str, str]] = {
    "story": {
        "history": ".root > div:first-child > section:first-child",
        "gate": ".root > div:first-child > section:nth-child(2)",
        "heads": ".column:not(.final)",
        "final": ".column.final",
    },
    "merge": {"gate": "thead .head", "heads": ".share", "sum": ".total", "row": "tr.on"},
    "attention": {"experts": "tbody tr:not(.mixed) .cell", "router": ".end", "mix": "tr.mixed .cell"},
    "effects": {"mix": "tr.mixed .cell", "effects": ".bar"},
    "gate": {},
    "journey": {"gate": "yaxis", "router": "yaxis2", "entropy": "yaxis3"},
    "maps": {},
    "probes": {"heads": "heads", "references": "references"},
    "what-if": {},
    "course": {"gate": "yaxis", "router": "yaxis3", "truth": "yaxis2"},
}
# The picture of a link's screen.
SCREENS = {
    "": "story",
    "opening": "story",
    "story": "story",
    "merge": "merge",
    "experts": "effects",
    "atlas": "maps",
    "evidence": "probes",
    "what_if": "what-if",
}
# What a card may ask the learner to do.
DEEDS = {
    "shorten": "take something out of the history",
    "lengthen": "add something to the history",
    "choose": "choose another item in the picture",
    "mute": "mute or solo a head",
    "head": "choose another head",
    "colour": "colour the maps by another attribute, or choose another space",
    "leave-out": "leave an item of the history out",
    "train": "move to the last epoch",
}
FORMULAS = {
    "score": "s_h(v), a head's score",
    "gate": "g, the gate",
    "sum": "s(v), the sum over heads",
    "expert": "O_n, an expert's output",
    "router": "f, the experts mixed",
    "effect": "what an item adds, by leaving it out",
    "precision": "what a verdict needs",
}
HISTORIES = {
    "most movement": "of the model's examples, the one along which the gate moves most at one step",
    "before the turn": "the lesson's history up to where the gate moves most",
    "whole": "the lesson's history",
}
FACTS = {
    "one": "the noun of an item",
    "many": "its plural",
    "a": "the noun with its article",
    "heads": "how many heads",
    "experts": "how many experts a head has",
    "catalogue": "how many items there are",
    "count": "how many items the history has",
    "first": "the history's first item",
    "last": "its last item",
    "next": "the item that comes next in the lesson's history",
    "item": "the item looked at",
    "rank": "its place in the final list, as a word",
    "score": "its score",
    "why": "a sentence on why it stands there",
    "head": "the head looked at",
    "leader": "the head with most say",
    "say": "how much say it has",
    "turn": "a sentence on the item that moved the gate most",
    "router": "a sentence on how the router of the head looked at weighs its experts",
    "looked": "a sentence on what the head looked at and what each item adds",
    "most-added": "the item that adds most",
    "most-missed": "the item without which the item looked at loses most places",
    "evidence": "a sentence on what the tests call the heads",
    "named": "how many heads the tests give a name",
    "rule": "the rule by which a head gets a name",
    "recovered": "a sentence on how often the gate follows the simulated viewers' facet",
    "course": "a sentence on the epoch that is shown",
}
# What may be asked: the kind of its answer, and what it means.
ANSWERS = {
    "head-most-like-final": ("head", "whose own list has most in common with the final one"),
    "head-with-most-say": ("head", "which has the largest gate"),
    "head-that-falls": ("head", "which loses most of the gate when {next} is added"),
    "head-that-rises": ("head", "which wins most of the gate when {next} is added"),
    "head-that-pulls-down": ("head", "which lifts the item looked at least"),
    "router-of-first-expert": ("percent", "the router's largest weight, of the head looked at"),
    "gate-of-first-head": ("percent", "the gate's largest weight"),
    "item-that-adds-most": ("item", "without which the score of the item looked at falls most"),
    "item-looked-at-most": ("item", "which has most of the attention of the head looked at"),
    "attention-tells": ("truth", "whether the item looked at most is the one that adds most"),
    "rank-without-it": ("rank", "the place of the item looked at without {most-missed}"),
    "named-heads": ("count", "how many heads the tests give a name"),
    "best-head": ("percent", "the best head's average precision on ATTRIBUTE"),
    "random-spaces": ("percent", "random spaces' average precision on ATTRIBUTE"),
    "chance": ("percent", "chance's average precision on ATTRIBUTE"),
    "gate-follows": ("percent", "how often the gate follows the simulated viewers' facet"),
    "gate-follows-at-first": ("percent", "the same before training"),
}
