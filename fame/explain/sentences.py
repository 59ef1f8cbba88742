"""Sentences made of the numbers: each says what its table shows, and no more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fame.catalogue import Catalogue
from fame.errors import FameError
from fame.explain.tables import (
    candidates,
    checked,
    head_ranks,
    journey,
    rank_of,
    relative_shares,
    router_entropy,
    router_flag,
)
from fame.text import figure, listing, ordinal, percent
from fame.trace import Trace

__all__ = [
    "Beats",
    "beats",
    "say_agreement",
    "say_attention",
    "say_gate_turn",
    "say_rank",
    "say_router",
    "say_router_turn",
    "say_trust",
]

MOST_WEIGHED = 2  # heads up to which a sentence says what each is called and how much say it has


def say_rank(trace: Trace, row: int, exclude_history: bool = True, names: Sequence[str] = ()) -> str:
    """One sentence on why an item stands where it stands: which heads account for its lead, and which would not.

    Every number is the gate, `relative_shares` or `head_ranks`. The heads named are the fewest that give at least 60%
    of the item's support, Σ of the c_h above 0: of its whole lead where no head speaks against it. A head that
    the gate leaves no say is not told of.   names: what each head is called, '' where it has no name.

    Raises:
        FameError: the row is not in the catalogue.
    """
    [row] = checked([row], len(trace.scores))
    title = str(trace.catalogue.title[row])
    candidate = candidates(len(trace.scores), trace.seen if exclude_history else [])
    if not candidate[row]:
        return f"{title} is in the history, and what has been seen is not recommended again."
    if candidate.sum() == 1:
        return f"{title} is first: no other is left to recommend."
    rank = int(rank_of(trace.scores, row, candidate))
    c = relative_shares(trace, [row], exclude_history)[:, 0]
    ranks = head_ranks(trace, [row], exclude_history)[:, 0]
    text, gate = f"{title} is {ordinal(rank)}", trace.gate[-1]
    heard = np.flatnonzero(gate)
    if len(heard) == 1:
        who = "the only head" if len(c) == 1 else f"{_heads(heard)}, the only one with a say,"
        lead = c[heard[0]]
        return f"{text}: {who} puts it {_signed(lead)} {'above' if lead > 0 else 'from'} the average candidate."
    order = np.argsort(-c, kind="stable")
    support, against = c[c > 0].sum(), [h for h in order[::-1] if c[h] < 0]
    if c.sum() <= 0:
        reason = (
            f"{_heads(against[:1])} holds it down most ({_signed(c[against[0]])})" if against else "no head wants it"
        )
        best = int(heard[np.argmin(ranks[heard])])
        return (
            f"{text}, {abs(c.sum()):.2f} below the average candidate: {reason}; "
            f"{_heads([best])} alone would put it {ordinal(int(ranks[best]))}."
        )
    wanting = order[c[order] > 0]
    carrying = wanting[: int(np.searchsorted(np.cumsum(c[wanting]), 0.6 * support)) + 1]
    verb = "accounts" if len(carrying) == 1 else "account"
    of = "its support" if against else "its lead over the average candidate"
    who = _heads(carrying)
    if len(carrying) <= MOST_WEIGHED:
        who = listing([_weighed(h, float(gate[h]), names) for h in sorted(carrying)])
    text += f": {who} {verb} for {percent(c[carrying].sum() / support)} of {of}"
    text += f", {_heads(against)} {'speaks' if len(against) == 1 else 'speak'} against it" if against else ""
    worst = int(heard[np.argmax(ranks[heard])])
    if ranks[worst] > rank:
        return f"{text}; {_heads([worst])} alone would put it {ordinal(int(ranks[worst]))}."
    each = "every head alone" if len(heard) == len(c) else "alone, every head with a say"
    return f"{text}; {each} {'would put it there or higher' if rank > 1 else 'agrees'}."


@dataclass(frozen=True, eq=False)
class Beats:
    """Why one item stands above another. Every sign is the winner's: above 0 speaks for the one that stands higher.

    winner, loser: their rows; the first one asked for is the winner where both have one score.
    margin: s(winner) − s(loser), never below 0.
    table: one row per head: winner_id, winner_title, loser_id, loser_title, the same in all; head; gate g_h; difference
        s_h(winner) − s_h(loser); share g_h times that, which sum to margin; margin_without, what the other heads leave
        of it; without, what becomes of the winner when this head is left out: 'wins', 'loses', or 'level'. To scale the
        other heads' weights up to 1 changes no sign, so that it does not matter whether the gate is held.
    sentence: all that in words.
    """

    winner: int
    loser: int
    margin: float
    table: pd.DataFrame
    sentence: str


def beats(trace: Trace, a: int, b: int) -> Beats:
    """Why one of the items of rows a and b stands above the other.

    Raises:
        FameError: a row is not in the catalogue.
    """
    rows = checked([a, b], len(trace.scores))
    gate = trace.gate[-1].astype(np.float64)
    difference = trace.head_scores[:, rows[0]].astype(np.float64) - trace.head_scores[:, rows[1]]
    if (gate * difference).sum() < 0:
        rows, difference = rows[::-1], -difference
    winner, loser = rows.tolist()
    share = gate * difference
    without = np.array([np.delete(share, h).sum() for h in range(len(share))])
    items, titles = trace.catalogue.item_id, trace.catalogue.title
    table = pd.DataFrame(
        {
            **{"winner_id": items[winner], "winner_title": titles[winner]},
            **{"loser_id": items[loser], "loser_title": titles[loser]},
            "head": np.arange(1, len(share) + 1),
            "gate": gate,
            "difference": difference,
            "share": share,
            "margin_without": without,
            "without": np.select([without > 0, without < 0], ["wins", "loses"], "level"),
        }
    )
    sentence = _say_beats(trace.catalogue, winner, loser, share, without)
    return Beats(winner, loser, float(share.sum()), table, sentence)


def _say_beats(catalogue: Catalogue, a: int, b: int, share: np.ndarray, without: np.ndarray) -> str:
    margin = share.sum()
    same = catalogue.title[a] == catalogue.title[b]
    name_a, name_b = (catalogue.label(row) if same else str(catalogue.title[row]) for row in (a, b))
    if margin == 0:
        return f"{name_a} and {name_b} have the same score."
    if len(share) == 1:
        return f"{name_a} beats {name_b} by {figure(margin)}, by the only head."
    if np.count_nonzero(share) == 1:
        return f"{name_a} beats {name_b} by {figure(margin)}, all of it by head {int(np.flatnonzero(share)[0]) + 1}."
    order = np.argsort(-share, kind="stable")
    told = {sign: [f"head {h + 1} ({_signed(share[h])})" for h in order if sign * share[h] > 0] for sign in (1, -1)}
    text = f"{name_a} beats {name_b} by {figure(margin)}: {listing(told[1])} for it"
    text += f", {listing(told[-1][::-1])} against it" if told[-1] else ""
    turned, level = ([f"head {h + 1}" for h in order if test[h]] for test in (without < 0, without == 0))
    if not turned and not level:
        return f"{text}. It would win whichever head were left out."
    text += f". Without {listing(turned, 'or')} {name_b} would win" if turned else ""
    return f"{text}." if not level else f"{text}. Without {listing(level, 'or')} the two would stand level."


def say_router(trace: Trace, head: int) -> str:
    """One sentence on how the router of a head, from 0, weighs its experts at the last step."""
    beta, even = trace.router[-1, head], float(router_entropy(trace)[-1, head])
    who, best, flag = f"The router of head {head + 1}", int(beta.argmax()), router_flag(trace, head)
    if flag == "one expert":
        return f"In this model head {head + 1} has one expert, so that its router has nothing to choose."
    if flag == "near uniform":
        return f"{who} is near uniform (entropy {even:.2f} of 1): it hardly chooses between its {len(beta)} experts."
    if flag:
        return f"{who} gives nearly everything to expert {best + 1} ({percent(beta[best])}, entropy {even:.2f} of 1)."
    order = np.argsort(-beta, kind="stable")
    fewest = order[: 1 + int((np.cumsum(beta[order]) < 0.6).sum())]
    named = listing([f"expert {n + 1} ({percent(beta[n])})" for n in fewest if n == best or beta[n] > 1 / len(beta)])
    return f"{who} leans on {named}; its entropy is {even:.2f} of 1."


def say_attention(trace: Trace, head: int, target: int, effects: Sequence[float] | np.ndarray, of: str) -> str:
    """One sentence on where a head, from 0, looked at the last step, beside what the items of the history add.

    effects: [T], what each item adds to something of the item of row `target`: how far that falls without it, as
        measured by `leave_one_out`; missing where there is one item.   of: what was measured, as in 'the score'.
    """
    noun, label = trace.catalogue.noun, trace.catalogue.label
    names = [label(row) for row in trace.items]
    mix, added = trace.mixed_attention[head, -1], np.asarray(effects, np.float64)
    looked = int(mix.argmax())
    if len(names) == 1:
        return f"With one {noun}, {names[0]}, there is nowhere else to look, and the only {noun} cannot be left out."
    text = f"At the last step head {head + 1} gave {percent(mix[looked])} of its attention to {names[looked]}"
    if not np.isfinite(added).all() or not added.any():
        return f"{text}."
    most = int(np.abs(added).argmax())
    who = f"and that same {noun}" if most == looked else f"but {names[most]}"
    does = "adds most to" if added[most] > 0 else "takes most from"
    return f"{text}, {who} {does} {of} of {label(target)} ({_signed(float(added[most]))}), measured by leaving it out."


def say_gate_turn(trace: Trace) -> str:
    """One sentence on the item that moved the gate most along the history, or on why none did."""
    turn, (T, H), change = journey(trace).gate_turn, trace.gate.shape, trace.intervention
    if T == 1:
        return f"With one {trace.catalogue.noun} there is only one step, so that nothing has moved yet."
    if turn is None:
        if H == 1:
            return "With one head the gate has nothing to weigh: it is 100% at every step."
        if change.gate is not None:
            return "The gate was set by hand, the same at every step."
        if len(change.heads_off) == H - 1:
            return "Only one head is switched on, so that the gate is the same at every step."
        return "The gate stayed the same at every step."
    old, new = trace.gate[turn - 2], trace.gate[turn - 1]
    h = int(np.abs(new - old).argmax())
    name = trace.catalogue.label(trace.items[turn - 1])
    return f"{name}, step {turn}, moved the gate most: head {h + 1} went from {percent(old[h])} to {percent(new[h])}."


def say_router_turn(trace: Trace, head: int) -> str:
    """One sentence on the item that moved the router of a head, from 0, most; empty where nothing could move."""
    turn = journey(trace).router_turns[head]
    if turn is None:
        return ""
    old, new = trace.router[turn - 2, head], trace.router[turn - 1, head]
    n = int(np.abs(new - old).argmax())
    name = trace.catalogue.label(trace.items[turn - 1])
    return (
        f"{name}, step {turn}, moved the router of head {head + 1} most: expert {n + 1} went "
        f"from {percent(old[n])} to {percent(new[n])}."
    )


def _heads(heads: Sequence[int] | np.ndarray) -> str:
    """'head 2', 'heads 2 and 4', in their own order."""
    numbers = [str(h + 1) for h in sorted(heads)]
    return f"head{'s' if len(numbers) > 1 else ''} {listing(numbers)}"


def _weighed(head: int, gate: float, names: Sequence[str]) -> str:
    """'head 2 (genres, gate 56%)'."""
    name = f"{names[head]}, " if head < len(names) and names[head] else ""
    return f"head {head + 1} ({name}gate {percent(gate)})"


def _signed(x: float) -> str:
    return figure(x, plus=True)


def say_agreement(table: pd.DataFrame, attribute: str, space: str, noun: str = "item") -> str:
    """What the agreement of one head's space on an attribute amounts to, from `agreements`, in plain words.

    noun: the catalogue's word for an item.

    Raises:
        FameError: the table has no such attribute or space.
    """
    here = table[table["attribute"] == attribute]
    found = dict(zip(here["space"], here["shared"].astype(float), strict=True))
    if space not in found:
        raise FameError(f"no agreement of {space!r} on {attribute!r} has been counted")
    shared, chance, k = found[space], float(here["chance"].iloc[0]), int(here["k"].iloc[0])
    digits = 1 if shared >= 1 else 2
    said = (
        f"{shared:.{digits}f} of each {noun}'s {k} nearest in {_name(space)} have {_alike(attribute)}; "
        f"{chance:.{digits}f} expected at random."
    )
    if space == "full":
        return said
    others = {name: value for name, value in found.items() if name not in (space, "full")}
    if others:
        best = max(others, key=others.__getitem__)
        mine, low, high = (f"{x:.{digits}f}" for x in (shared, min(others.values()), others[best]))
        if mine == high:
            said += " No other head's has more."
        elif shared > others[best]:
            said += f" That is more than in any other head's ({low if low == high else f'{low} to {high}'})."
        else:
            said += f" The most is {high}, in {_name(best)}."
    if "full" in found:
        said += f" In the full embedding: {found['full']:.{digits}f}."
    return said


def _alike(attribute: str) -> str:
    """What items have that share a value of an attribute: 'the same director', 'at least one genre in common'."""
    if attribute in (special := {"cast": "a cast member in common", "series": "the same series"}):
        return special[attribute]
    if attribute.endswith("s"):
        one = f"{attribute[:-3]}y" if attribute.endswith("ies") else attribute[:-1]
        return f"at least one {one} in common"
    return f"the same {attribute}"


def _name(space: str) -> str:
    return "the full embedding" if space == "full" else f"{space.replace('_', ' ')}'s space"


def say_trust(trust: float) -> str:
    """What a map's trustworthiness means for its reader, in plain words; nothing where none was measured."""
    if np.isnan(trust):
        return ""
    if trust >= 0.95:
        words = "near on this map means near in the space"
    elif trust >= 0.85:
        words = "near on this map mostly means near in the space"
    else:
        words = "near on this map often does not mean near in the space"
    return f"Trustworthiness {trust:.2f}: {words}."
