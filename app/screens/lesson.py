"""Lesson: can I teach this?"""

from __future__ import annotations

import streamlit as st

from app import lesson_path
from app.lesson_card import answer_of, card, cover, spoken, title_of, trouble, ways
from app.lesson_deeds import deed_button
from app.lesson_pictures import draw
from app.screen import Declaration, Option, Screen
from fame.errors import FameError

__all__ = ["SCREEN", "render"]

HELP = """
**A lesson** is a path of cards beside the live pictures of the other screens. One idea a card: a part of the picture is
lit, the formula holds this history's numbers, and the card asks for something to be predicted or done. *Skip* goes on
without.

**Predict, then look.** Where a card asks, the model's answer is computed and held back until you have given yours.
Seeing both makes what you expected visible to you, which is when one learns most (Kim, Reinecke and Hullman, 2017).
Nothing is scored, and nothing is kept.

**All of it is live.** Add {a} to the history above and every number on the card follows. *Start this card over* brings
the card's own history back.

**Lessons are files** in Markdown. Set FAME_LESSONS to a folder of your own.
"""


def _small_number(screen: Screen, text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 4


def _question(screen: Screen) -> str:
    """While presenting, the card's own title."""
    here = lesson_path.place(screen) if screen.state.present else None
    return title_of(here) if here else "Can I teach this?"


SCREEN = Declaration(
    title="Lesson",
    question=_question,
    order=8,
    help=HELP,
    options={
        "lesson_name": Option(lambda screen, name: any(lesson.name == name for lesson in lesson_path.found()[0])),
        "lesson_card": Option(lambda screen, text: _small_number(screen, text) and int(text) > 0, "1"),
        "lesson_said": Option(lambda screen, text: text.isascii() and text.isdigit() and len(text) < 7),
        "lesson_epoch": Option(_small_number, "0"),
        "lesson_page": Option(lambda screen, text: _small_number(screen, text) and int(text) > 0, "1"),
        "lesson_viewer": Option(lambda screen, text: _small_number(screen, text) and int(text) > 0, "1"),
    },
    needs_history=False,
    tells=("gate", "heads_off"),
    turns=lesson_path.turns,
)


def render(screen: Screen) -> None:
    here = lesson_path.place(screen)
    if here is None:
        cover(screen)
        return
    if screen.state.present:
        _page(screen, here)
        return
    with screen.controls:
        st.button("All lessons", key="lesson_leave", type="tertiary", icon=":material/menu_book:",
                  on_click=lesson_path.leave)  # fmt: skip
    with st.container(key="lesson_beside"):
        left, right = st.columns([2, 5], gap="medium")
    with left:
        done = _card(screen, here)
    with right, st.container(key="lesson_picture"):
        try:
            draw(screen, here, done)
        except FameError as error:
            trouble(error)


def _page(screen: Screen, here: lesson_path.Place) -> None:
    """One page of the card, for a room."""
    pages, at = lesson_path.pages_here(screen, here)
    acted = lesson_path.acted(screen, here)
    try:
        if here.wrong:
            raise FameError(here.wrong.removesuffix("."))
        if pages[at] in ("text", "answer", "told"):
            spoken(screen, here, answer_of(here), pages[at] != "text")
            return
        with screen.controls:
            deed_button(screen, here, acted)
        draw(screen, here, acted if here.card.do else pages[at] == "after")
    except FameError as error:
        trouble(error)


def _card(screen: Screen, here: lesson_path.Place) -> bool:
    """The card; whether it is done."""
    try:
        if here.wrong:
            raise FameError(here.wrong.removesuffix("."))
        answer = answer_of(here)
        done = lesson_path.done(screen, here, answer)
        card(screen, here, answer, done)
    except FameError as error:
        trouble(error)
        with st.container(key="lesson_card_wrong"):
            ways(screen, here, False)
        return False
    return done
