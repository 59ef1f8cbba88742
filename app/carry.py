"""What goes along to another model: as much of the state, and of what undo holds, as fits it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from app.state import State, changed
from app.url import unknown_items
from fame.bundle import Bundle
from fame.catalogue import Catalogue
from fame.config import FAMEConfig
from fame.errors import FameError
from fame.explain import Change
from fame.trace import NOTHING, Intervention

__all__ = ["Carried", "Moment", "fitting", "pack"]

# What undo goes back to: a history of rows, what was changed inside the model, and the changes of What if.
Moment = tuple[tuple[int, ...], Intervention, tuple[Change, ...]]


@dataclass(frozen=True)
class Carried:
    """A state on its way to the model that it names, with the ids of its rows, which are other rows there."""

    state: State
    past: tuple[Moment, ...]
    future: tuple[Moment, ...]
    ids: dict[int, str]  # of every row that state, past and future hold

    def unpack(self, bundle: Bundle) -> tuple[State, list[Moment], list[Moment], tuple[str, ...]]:
        """State, past and future as the other model can hold them, and sentences on what had to be left behind."""
        catalogue, config, there = bundle.catalogue, bundle.config, self.state

        def rows(history: Iterable[int]) -> tuple[int, ...]:
            return tuple(row for row in (_row(catalogue, self.ids[row]) for row in history) if row)

        def moments(packed: tuple[Moment, ...]) -> list[Moment]:
            return [(rows(history), fitting(change, config)[0], b) for history, change, b in packed]

        kept, dropped = fitting(there.intervention, config)
        state = replace(
            there, history=rows(there.history), intervention=kept, options={},
            head=there.head if there.head is not None and there.head < config.n_heads else None,
            item=_row(catalogue, self.ids[there.item]) if there.item else None,
        )  # fmt: skip
        missing = [self.ids[row] for row in there.history if not _row(catalogue, self.ids[row])]
        left_behind = unknown_items(missing, catalogue.noun)
        if dropped:
            left_behind += (f"This model cannot be changed as the last one was; left out: {changed(dropped)}.",)
        return state, moments(self.past), moments(self.future), left_behind


def pack(state: State, past: list[Moment], future: list[Moment], bundle: Bundle, name: str) -> Carried:
    """A state of one model, to be opened by the model of another name."""
    histories = [state.history, *(history for history, *_ in (*past, *future))]
    rows = {row for history in histories for row in history} | ({state.item} if state.item else set())
    ids = {row: str(bundle.catalogue.item_id[row]) for row in rows}
    return Carried(replace(state, model=name), tuple(past), tuple(future), ids)


def _row(catalogue: Catalogue, item: str) -> int | None:
    return catalogue.row(item) if item in catalogue else None


def fitting(change: Intervention, config: FAMEConfig) -> tuple[Intervention, Intervention]:
    """Those parts of a what-if that fit a model together, and those that do not."""
    kept, dropped = NOTHING, NOTHING
    for part in _parts(change):
        both = _joined(kept, part)
        try:
            both.check(config)
        except FameError:
            dropped = _joined(dropped, part)
        else:
            kept = both
    return replace(kept, hold_gate=change.hold_gate), dropped


def _parts(change: Intervention) -> Iterator[Intervention]:
    if change.gate is not None:
        yield Intervention(gate=change.gate)
    for h in change.heads_off:
        yield Intervention(heads_off=(h,))
    for pair in change.experts_off:
        yield Intervention(experts_off=(pair,))
    for forced in change.router:
        yield Intervention(router=(forced,))


def _joined(a: Intervention, b: Intervention) -> Intervention:
    return Intervention(a.gate or b.gate, a.heads_off + b.heads_off, a.experts_off + b.experts_off, a.router + b.router)
