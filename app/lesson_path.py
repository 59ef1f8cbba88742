"""Which lesson and card a visitor is on, the ways to another one, and whether its task is done."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import streamlit as st

from app import session, sources
from app.screen import Screen, Turns
from app.sources import Source
from app.state import State, first
from app.url import ids, parse, query
from fame import lessons
from fame.bundle import Bundle
from fame.errors import FameError
from fame.explain import Remove
from fame.lessons import Answer, Card, Lesson, Scene
from fame.trace import NOTHING, Trace

__all__ = ["Place", "done", "found", "go", "leave", "pages", "place", "restart", "said", "turns"]

LONGEST = 100  # lessons' files that are kept in mind


def found() -> tuple[list[Lesson], list[str]]:
    """The lessons that there are, and a sentence for each file that was skipped."""
    return _found(tuple(lessons.folders()), st.session_state.get("lesson_turn", 0))


@lru_cache(LONGEST)
def _found(folders: tuple[str, ...], turn: int) -> tuple[list[Lesson], list[str]]:
    return lessons.find_lessons(folders)


@dataclass(frozen=True)
class Place:
    """A card that a visitor is on. at: its place, from 0.   begins: the state that it opens with.

    wrong: why it cannot be shown with this model or history; ''.
    """

    lesson: Lesson
    at: int
    scene: Scene
    begins: State
    wrong: str = ""

    @property
    def card(self) -> Card:
        return self.lesson.cards[self.at]

    @property
    def last(self) -> bool:
        return self.at == len(self.lesson.cards) - 1


def run_of(source: Source, history: tuple[int, ...]) -> Trace:
    return sources.trace(source, history, NOTHING)


def place(screen: Screen) -> Place | None:
    """The card that the state names; None on the first page."""
    name = screen.state.options.get("lesson_name")
    lesson = next((lesson for lesson in found()[0] if lesson.name == name), None)
    if lesson is None:
        return None
    at = min(int(screen.option("lesson_card")) - 1, len(lesson.cards) - 1)
    try:
        begins, whole = beginning(screen.source, screen.bundle, lesson, at)
        wrong = ""
    except FameError as error:
        begins, whole, wrong = screen.state, screen.state.history, f"{error}."
    now = screen.state
    course = screen.bundle.course
    epoch = min(int(screen.option("lesson_epoch")), len(course) - 1) if course else -1
    scene = Scene(
        screen.bundle, now.history, whole, lambda rows: sources.trace(screen.source, rows, now.intervention),
        now.item or 0, now.head, now.k, epoch,
    )  # fmt: skip
    return Place(lesson, at, scene, begins, wrong)


def beginning(source: Source, bundle: Bundle, lesson: Lesson, at: int) -> tuple[State, tuple[int, ...]]:
    """The state that a card opens with, and the rows of the lesson's own history.

    Raises:
        FameError: an item or example is not in this model's bundle, or the card's link does not fit it.
    """
    card = lesson.cards[at]
    start, whole = lessons.history_of(bundle, lambda rows: run_of(source, rows), lesson.history, card.history)
    base = first(bundle, source.name).changed(history=start)
    known = {name: value for name, value in card.link.items() if name not in ("m", "show")}
    given = {"h": ids(base, bundle), **known}
    state, unused = parse(given, bundle, first(bundle, source.name))
    if unused:
        raise FameError(f"line {card.line} of the lesson: {unused[0].removesuffix('.')}")
    return state.changed(lesson_name=lesson.name, lesson_card=at + 1), whole


def model_of(lesson: Lesson, at: int, now: str) -> str:
    """The name of the model that a card is about; the present one where any will do."""
    return lesson.cards[at].model or lesson.model or lesson.cards[at].link.get("m", "") or now


def pages(card: Card, acted: bool = False) -> list[str]:
    """What a card is shown as while presenting, page after page: its text, the picture before the answer, the answer,
    and the picture with it; where something is to be done, the picture, and once that is done what it means."""
    if not card.question:
        return ["text", "after", *(["told"] if acted and card.after else [])]
    return ["text", *(["before"] if card.before != "nothing" else []), "answer", "after"]


def acted(screen: Screen, here: Place) -> bool:
    """Whether what the card asks to be done is done; False where it asks a question, or cannot be shown."""
    try:
        return not here.wrong and not here.card.question and done(screen, here, None)
    except FameError:
        return False


def pages_here(screen: Screen, here: Place) -> tuple[list[str], int]:
    """The card's pages while presenting, and the place of the one that is shown."""
    all_pages = pages(here.card, acted(screen, here))
    return all_pages, min(int(screen.option("lesson_page")), len(all_pages)) - 1


def turns(screen: Screen) -> Turns:
    """The lesson's pages while presenting."""
    here = place(screen) if screen.state.present else None
    if here is None:
        some = found()[0]
        return Turns(True, not some, "", lambda by: go(some[0].name, 0))
    name, at, (shown, page) = here.lesson.name, here.at, pages_here(screen, here)
    count = len(shown)

    def step(by: int) -> None:
        if 0 <= page + by < count:
            session.update(lesson_page=page + by + 1)
        else:
            to = at + by
            go(name, to, 1 if by > 0 else len(pages(here.lesson.cards[to])))

    first, last = at == page == 0, here.last and page == count - 1
    return Turns(first, last, f"{at + 1} of {len(here.lesson.cards)}" + chr(ord("a") + page), step)


def go(name: str, at: int, page: int = 1) -> None:
    """Go to a card of a lesson, from 0, for callbacks: its model, its history, and all that its link says."""
    here = session.current()
    lesson = next((lesson for lesson in found()[0] if lesson.name == name), None)
    if lesson is None or not 0 <= at < len(lesson.cards):
        return
    try:
        offer = sources.offered()
        model = model_of(lesson, at, here.model)
        if model not in offer:
            raise FameError(f"this card is about the model {model[:40]!r}, which is not here")
        bundle = sources.load(offer[model])
        state, _ = beginning(offer[model], bundle, lesson, at)
    except FameError as error:
        st.toast(f"{error}.", icon=":material/block:")
        return
    if here.present:
        state = state.changed(present=True, lesson_page=page)
    session.follow(query(state, bundle, None))


def leave() -> None:
    """Go back to the first page, where all lessons are, for callbacks."""
    session.update(lesson_name=None, lesson_card=None, lesson_said=None, lesson_epoch=None, lesson_page=None)


def restart() -> None:
    """Read the lessons' files again, for callbacks."""
    st.session_state["lesson_turn"] = st.session_state.get("lesson_turn", 0) + 1


def done(screen: Screen, here: Place, answer: Answer | None) -> bool:
    """Whether the learner has answered, or done what the card asks; a card that asks nothing is done."""
    card, now, then = here.card, screen.state, here.begins
    if card.question:
        return answer is not None and said(screen, answer) is not None
    trace = here.scene.trace if now.history else None
    match card.do:
        case "shorten":
            return len(now.history) < len(then.history)
        case "lengthen":
            return len(now.history) > len(then.history)
        case "choose":
            return bool(now.item) and now.item != (then.item or (trace and int(trace.ranking()[0])))
        case "mute":
            return bool(now.intervention.heads_off)
        case "head":
            return now.head is not None and now.head != then.head
        case "colour":
            names = ("atlas_colour", "atlas_left", "atlas_right", "atlas_values", "atlas_kind")
            return now.head != then.head or any(now.options.get(n) != then.options.get(n) for n in names)
        case "leave-out":
            return any(isinstance(change, Remove) for change in now.b)
        case "train":
            course = screen.bundle.course
            return course is not None and here.scene.epoch == len(course) - 1
    return True


def said(screen: Screen, answer: Answer) -> int | None:
    """What the learner has answered; None before, and for what is no answer to this."""
    text = screen.state.options.get("lesson_said", "")
    if not text.isascii() or not text.isdigit() or len(text) > 6:
        return None
    value = int(text)
    fits = value < len(answer.choices) if answer.choices else answer.low <= value <= answer.high
    return value if fits else None
