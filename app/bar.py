"""The bar on top of every screen: model, screens, history."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import streamlit as st
from streamlit.navigation.page import Page

from app import leaving, present, screens, session, sources, state, url, widgets
from app.components import component
from app.notebook import notebook
from app.screen import Screen
from app.sources import Source
from fame.bundle import Bundle
from fame.catalogue import Catalogue
from fame.search import fold
from fame.text import plural, words
from fame.trace import NOTHING

__all__ = ["render"]

FOUND = 8  # items offered for what is typed
_bar = component("bar", "bar_search", "bar_tools")


def render(screen: Screen, pages: Mapping[str, Page], offer: Mapping[str, Source], unused: Sequence[str]) -> None:
    """Draw the bar.

    screen: the one below.   offer: models to choose from.   unused: sentences on what in the link went unused.
    """
    with st.container(horizontal=True, key="bar_top", vertical_alignment="center"):
        st.html('<span class="fame-brand" translate="no">FAME</span>', width="content")
        with st.container(horizontal=True, key="bar_screens", gap="xsmall"):
            for name, page in pages.items():
                with st.container(key="bar_here", width="content") if name == screen.name else nullcontext():
                    st.page_link(page, query_params=screen.links)
        _model(screen, offer)
        _export(screen, leaving.begin(screen))
    _history(screen)
    with st.container(key="bar_notes"):  # always there: one that comes and goes would mount the screen anew
        # What a screen tells itself is not said twice: a line more would move its sliders away under the pointer.
        change = screen.state.intervention
        untold = replace(change, **{field: getattr(NOTHING, field) for field in screen.declaration.tells})
        if untold and not screen.declaration.of_the_model:
            with st.container(horizontal=True, key="bar_change", vertical_alignment="center"):
                widgets.styled(f"Changed by you: {state.changed(change)}.", "fame-changed")
                st.button(
                    "Back to the model's own", key="bar_own", on_click=session.update, kwargs={"intervention": NOTHING}
                )
        for sentence in unused:
            st.warning(sentence, icon=":material/link_off:")


def _model(screen: Screen, offer: Mapping[str, Source]) -> None:
    c = screen.bundle.config
    shape = f"{plural(c.n_heads, 'head')} × {plural(c.n_experts, 'expert')}"
    with st.container(horizontal=True, key="bar_model", width="content", vertical_alignment="center"):
        if len(offer) == 1:
            widgets.styled(screen.source.name, "fame-model")
        else:
            chosen = widgets.tied(
                "bar_choice", screen.source.name, lambda name: session.switch_model(screen.bundle, name)
            )
            st.selectbox(
                "Model", list(offer), format_func=lambda name: _called(offer[name]), label_visibility="collapsed",
                width=330, **chosen,
            )  # fmt: skip
        widgets.styled(shape, "fame-shape", screen.bundle.summary)
        if screen.bundle.simulated:
            widgets.styled("simulated audience", "fame-simulated", screen.bundle.summary)


def _called(source: Source) -> str:
    kind = sources.kind(source)
    return f"{source.name} · {kind}" if kind else source.name


def definition(H: int, noun: str) -> str:
    """What the model does, in one line for who sees it for the first time."""
    if H == 1:
        return f"One head scores every {noun}; the best of them are the list."
    count = dict(enumerate(["Two", "Three", "Four", "Five", "Six", "Seven", "Eight"], 2)).get(H, str(H))
    return f"{count} heads each recommend by themselves; a gate weighs them; their weighted sum ranks the {noun}s."


def _export(screen: Screen, files: leaving.Files) -> None:
    """A menu that is filled when it is opened: a dozen elements that few clicks need."""
    menu = st.popover("Export", type="tertiary", key="bar_export", on_change="rerun")
    if not menu.open:
        return
    with menu:
        about, name = leaving.about(screen), screen.name.replace("_", "-")
        st.download_button(
            "All of this screen", lambda: leaving.everything(files, about),
            file_name=screen.file(f"{name}.zip"), mime="application/zip",
            key="bar_all", on_click="ignore", type="tertiary", icon=":material/folder_zip:",
            help="Every table and picture that it offers, in one zip",
        )  # fmt: skip
        pictures = leaving.shown()
        widgets.download(
            "Notebook", lambda: notebook(screen, pictures),
            screen.file(f"{name}.ipynb"), "application/x-ipynb+json",
            "bar_notebook", "Makes the same pictures in Python, and checks their numbers against these",
        )  # fmt: skip
        with st.expander("Cite", key="bar_cite"):
            st.code(leaving.python(screen), language="python")
            st.code(leaving.citation(screen), language=None)
        catalogue = screen.bundle.catalogue
        rows = list(screen.state.history)
        widgets.download_table(
            "History as CSV",
            lambda: catalogue.to_frame().iloc[[r - 1 for r in rows]],
            screen.file("history.csv"),
            "bar_csv_history",
        )
        if rows:
            top = screen.trace.ranking(exclude_history=screen.state.hide_seen)[: screen.state.k]
            widgets.download_table(
                "Recommendations as CSV",
                lambda: screen.trace.top(screen.state.k, exclude_history=screen.state.hide_seen),
                screen.file("recommendations.csv"),
                "bar_csv_top",
            )
            widgets.download_table(
                "Shares by head as CSV",
                lambda: screen.trace.contributions(rows=top),
                screen.file("shares.csv"),
                "bar_csv_shares",
            )
        with st.expander("QR code", key="bar_code"):
            present.qr(screen)


@st.fragment
def _history(screen: Screen) -> None:
    """The chips. In a fragment, so that typing in the search redraws nothing else."""
    if session.touched():
        st.rerun()
    bundle, here = screen.bundle, session.current()
    catalogue = bundle.catalogue

    def item(row: int) -> dict[str, Any]:
        return {"row": row, "title": str(catalogue.title[row]), "year": int(catalogue.year[row])}

    text = st.session_state.get("bar_search", "")
    found = catalogue.search(text, FOUND) if text else []
    dropped = max(0, len(here.history) - bundle.config.max_len)
    example = session.shown_example(bundle)
    line = example if example is not None and session.has_line(example, screen.opening) else None
    data = {
        "line": definition(bundle.config.n_heads, catalogue.noun) if line is None else bundle.examples[line].look_for,
        "lineOf": None if line is None else _line_of(bundle, line, screen.name),
        "history": [item(row) for row in here.history],
        "dropped": dropped,
        "note": _note(dropped, bundle.config.max_len, catalogue.noun, here.hide_seen),
        "noun": words(catalogue.noun),
        "known": catalogue.n_items,
        "done": st.session_state.get("bar_done"),
        "undo": session.can_undo(),
        "redo": session.can_redo(),
        "examples": [
            {"title": e.title, "look_for": e.look_for, "open": i == example} for i, e in enumerate(bundle.examples)
        ],
        "search": {
            "text": text,
            "items": [item(row) for row in found],
            "near": bool(found) and not holds(catalogue, found[0], text),
        },
        "link": urlencode(url.query(here, bundle, None)),
    }
    _bar(key="bar", data=data, on_act_change=lambda: _act(bundle))


def _line_of(bundle: Bundle, example: int, here: str) -> dict[str, Any]:
    """Which example a line is of, and the screen that shows what it promises, where this is another one."""
    where = screens.discover().get(bundle.examples[example].screen)
    elsewhere = where.declaration.title if where and bundle.examples[example].screen != here else None
    return {"example": example, "title": bundle.examples[example].title, "elsewhere": elsewhere}


def holds(catalogue: Catalogue, row: int, text: str) -> bool:
    """Whether a title has what is typed in it; the search also finds titles that only resemble it."""
    title, typed = fold(catalogue.label(row)), fold(text)
    return all(word in title for word in typed.split()) or typed.replace(" ", "") in title.replace(" ", "")


def _note(dropped: int, max_len: int, noun: str, hidden: bool) -> str:
    if not dropped:
        return ""
    oldest = "oldest is not read" if dropped == 1 else f"{dropped} oldest are not read"
    return f"This model reads the last {max_len} {noun}s: the {oldest}{', only kept out of the lists' * hidden}."


def _act(bundle: Bundle) -> None:
    """Do what the browser asks for; it comes from outside, so whatever does not fit is passed over."""
    asked = st.session_state["bar"].get("act")
    if not isinstance(asked, dict):
        return
    st.session_state["bar_done"] = asked.get("n") if isinstance(asked.get("n"), int) else None
    match asked.get("do"):
        case "search":
            st.session_state["bar_search"] = str(asked.get("text", ""))[:100]
        case "undo":
            session.undo()
        case "redo":
            session.redo()
        case "dismiss" if isinstance(asked.get("example"), int):
            session.dismiss_example(asked["example"])
        case _:
            history = edited(asked, session.current().history, bundle)
            if history is not None:
                st.session_state["bar_search"] = ""
                if asked["do"] == "example":
                    session.open_example(bundle, asked["example"])
                elif asked["do"] in ("random", "clear") or session.current().item in history:
                    session.start(history)
                else:
                    session.update(history=history)


def edited(asked: Mapping[str, Any], history: Sequence[int], bundle: Bundle) -> list[int] | None:
    """The history after what is asked for, or None where that does not fit."""
    rows = list(history)

    def whole(name: str, stop: int, start: int = 0) -> int | None:
        value = asked.get(name)
        return value if type(value) is int and start <= value < stop else None

    row, at, to = whole("row", len(bundle.catalogue), 1), whole("at", len(rows)), whole("to", len(rows))
    example = whole("example", len(bundle.examples))
    match asked.get("do"):
        case "add" if row is not None:
            return [*rows, row]
        case "remove" if at is not None:
            return rows[:at] + rows[at + 1 :]
        case "move" if at is not None and to is not None:
            rows.insert(to, rows.pop(at))
            return rows
        case "example" if example is not None:
            return bundle.rows(bundle.examples[example].items)
        case "random":
            return list(state.surprise(bundle, random.Random()))
        case "clear":
            return []
    return None
