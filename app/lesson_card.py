"""A lesson's card: its text, its formula, what it asks, and what is shown once that is done."""

from __future__ import annotations

import html
from typing import Any

import streamlit as st

from app import lesson_path, present, session, widgets
from app.lesson_path import Place
from app.screen import Screen
from app.widgets import Badge, Bold
from fame import lessons
from fame.errors import FameError
from fame.lessons import Answer
from fame.text import plural

__all__ = ["answer_of", "card", "cover"]


def answer_of(here: Place) -> Answer | None:
    """The model's answer to what the card asks; None where it asks nothing.

    Raises:
        FameError: this model or history cannot answer it.
    """
    return lessons.answer(here.scene, here.card.answer, here.card.choices) if here.card.question else None


def said(here: Place, text: str, plain: bool = False) -> str:
    """A text with its facts, which are titles and sentences: letter by letter, never markup."""

    def fact(name: str) -> str:
        found = lessons.fact(here.scene, name)
        return found if plain else widgets.literal(found)

    return lessons.fill(text, fact)


def card(screen: Screen, here: Place, answer: Answer | None, done: bool) -> None:
    """The card, with the ways to the next one."""
    one, count = here.card, len(here.lesson.cards)
    with st.container(key="lesson_card", border=True):
        st.html(
            f'<p class="fame-step">{html.escape(here.lesson.title)} · {here.at + 1} of {count}</p>'
            f'<h2 class="fame-card">{html.escape(said(here, one.title, plain=True))}</h2>'
        )
        st.markdown(said(here, one.text))
        if one.formula:
            lines = lessons.formula(here.scene, one.formula)
            for line in lines if done or not one.question else lines[:1]:  # numbers may give the answer away
                widgets.formula(line)
        if answer is not None:
            _question(screen, here, answer)
        if done and one.after:
            with st.container(key="lesson_after"):
                st.markdown(said(here, one.after))
        ways(screen, here, done)


def title_of(here: Place) -> str:
    """The card's title with its facts; as it is written where they cannot be computed."""
    try:
        return said(here, here.card.title, plain=True)
    except FameError:
        return here.card.title


def spoken(screen: Screen, here: Place, answer: Answer | None, answered: bool) -> None:
    """A page of words for a room: the card's text with what it asks, or the answer; and the address for telephones."""
    one = here.card
    with st.container(key="lesson_text"):
        left, right = st.columns([4, 1], gap="large", vertical_alignment="center")
        with left:
            if not answered:
                st.markdown(said(here, one.text))
            if one.formula:
                lines = lessons.formula(here.scene, one.formula)
                for line in lines if answered or not one.question else lines[:1]:
                    widgets.formula(line)
            if answer is not None:
                widgets.write(Bold(said(here, one.question, plain=True)))
                mine = lesson_path.said(screen, answer)
                if not answered:
                    _ask(answer, mine, lesson_page=int(screen.option("lesson_page")) + 1)
                elif mine is None:
                    _told(answer)
                else:
                    _reveal(answer, mine)
            if one.do and not answered:
                widgets.styled("The next page has a button for it.", "fame-note")
            if answered and one.after:
                st.markdown(said(here, one.after))
        with right:
            present.qr(screen)


def _told(answer: Answer) -> None:
    """The model's answer alone, where the room has not given one."""
    st.html(f'<div class="fame-reveal"><p>{_named(answer, answer.value)}</p></div>')
    widgets.write(*widgets.with_badges(answer.why, ""))


def ways(screen: Screen, here: Place, done: bool) -> None:
    """Back, on, and to the card's beginning where something was changed."""
    name, at = here.lesson.name, here.at
    with st.container(horizontal=True, key="lesson_ways", vertical_alignment="center"):
        st.button(
            "Back", key="lesson_back", icon=":material/arrow_back:", disabled=at == 0, on_click=lesson_path.go,
            args=(name, at - 1),
        )  # fmt: skip
        if here.last:
            st.button(
                "All lessons", key="lesson_end", type="primary" if done else "secondary", on_click=lesson_path.leave
            )
        else:
            st.button(
                "Next" if done else "Skip", key="lesson_next", icon=":material/arrow_forward:", icon_position="right",
                type="primary" if done else "secondary", on_click=lesson_path.go, args=(name, at + 1),
            )  # fmt: skip
        if changed(screen, here):
            st.button(
                "Start this card over", key="lesson_again", type="tertiary", on_click=lesson_path.go, args=(name, at)
            )


def changed(screen: Screen, here: Place) -> bool:
    """Whether the state is another than the card begins with."""
    now, then = screen.state, here.begins
    fields = ("history", "intervention", "item", "head", "b")
    return "lesson_said" in now.options or any(getattr(now, f) != getattr(then, f) for f in fields)


# ---- what is asked


def _question(screen: Screen, here: Place, answer: Answer) -> None:
    widgets.write(Bold(said(here, here.card.question, plain=True)))
    mine = lesson_path.said(screen, answer)
    if mine is None:
        _ask(answer)
    else:
        _reveal(answer, mine)


def _ask(answer: Answer, mine: int | None = None, **then: Any) -> None:
    """Buttons or a slider, what was answered before marked; `then` is changed of the state with the answer."""
    if not answer.choices:
        _slider(answer, mine, then)
        return
    with st.container(horizontal=True, key="lesson_choices", gap="small"):
        for i, choice in enumerate(answer.choices):
            st.button(
                widgets.literal(choice), key=f"lesson_choice_{i}", type="primary" if i == mine else "secondary",
                on_click=session.update, kwargs={"lesson_said": str(i), **then},
            )  # fmt: skip


def _slider(answer: Answer, mine: int | None, then: dict[str, Any]) -> None:
    def take() -> None:
        session.update(lesson_said=str(st.session_state["lesson_guess"]), **then)

    with st.form("lesson_form", border=False):
        st.slider(
            "Your answer", answer.low, answer.high, (answer.low + answer.high) // 2 if mine is None else mine,
            key="lesson_guess", format=f"%d{answer.unit.replace('%', '%%')}",
        )  # fmt: skip
        st.form_submit_button("Answer", key="lesson_answer", on_click=take)


def _reveal(answer: Answer, mine: int) -> None:
    """The learner's answer beside the model's, and why."""
    names = [_named(answer, value) for value in (mine, answer.value)]
    line = "" if answer.choices else _line(answer, mine)
    said = "".join(
        f'<p><span class="who">{who}</span> {name}</p>' for who, name in zip(("You", "The model"), names, strict=True)
    )
    st.html(f'<div class="fame-reveal" role="status">{said}{line}</div>')
    same = mine == answer.value if answer.choices else abs(mine - answer.value) <= (answer.high - answer.low) // 20
    widgets.write(Bold("As you said. " if same else "Not as you said. "), *widgets.with_badges(answer.why, ""))


def _named(answer: Answer, value: int) -> str:
    """A choice or number, as markup."""
    if not answer.choices:
        return f"<b>{value}{html.escape(answer.unit)}</b>"
    choice = answer.choices[value]
    if choice == f"Head {value + 1}":
        return widgets.markup(Badge(value)) + f" <b>{choice}</b>"
    return f"<b>{html.escape(choice)}</b>"


def _line(answer: Answer, mine: int) -> str:
    """Both numbers on one line from the lowest to the highest."""

    def place(value: int) -> float:
        return 100 * (min(max(value, answer.low), answer.high) - answer.low) / max(1, answer.high - answer.low)

    return (
        f'<div class="fame-line" aria-hidden="true"><i style="left:{place(mine):.1f}%"></i>'
        f'<b style="left:{place(answer.value):.1f}%"></b></div>'
    )


# ---- the first page


def cover(screen: Screen) -> None:
    """All lessons, each with a way into it, and what is wrong with those that were skipped."""
    found, faults = lesson_path.found()
    if screen.state.present:
        with st.container(key="lesson_text"):
            for lesson in found:
                widgets.write(Bold(lesson.title), f" {lesson.about}")
            present.qr(screen)
        return
    for lesson in found:
        with st.container(key=f"lesson_of_{lesson.name}", border=True):
            st.html(f'<h2 class="fame-card">{html.escape(lesson.title)}</h2>')
            takes = [plural(len(lesson.cards), "card")]
            takes += [f"about {plural(lesson.minutes, 'minute')}"] if lesson.minutes else []
            widgets.write(" ".join(filter(None, [lesson.about, f"{', '.join(takes)}."])))
            st.button(
                "Begin", key=f"lesson_begin_{lesson.name}", type="primary", on_click=lesson_path.go,
                args=(lesson.name, 0),
            )  # fmt: skip
    if not found:
        widgets.full_page("There are no lessons", "Set FAME_LESSONS to a folder of your own.")
    for fault in faults:
        st.warning(widgets.literal(f"A lesson was skipped. {fault}."), icon=":material/block:")
    widgets.styled(
        "A folder of your own lessons is added by FAME_LESSONS=folder; docs/teaching.md says how a lesson is written.",
        "fame-note",
    )
    st.button("Read the folders again", key="lesson_reread", type="tertiary", on_click=lesson_path.restart)


def trouble(error: FameError) -> None:
    """What stands in a card's place where this model or history does not have what it needs."""
    st.warning(widgets.literal(f"This card cannot be shown: {error}."), icon=":material/info:")
