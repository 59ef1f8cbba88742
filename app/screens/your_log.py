"""Your log: what does it say about my data?"""

from __future__ import annotations

import html
import random
from typing import Any

import streamlit as st

from app import session, widgets
from app.logs import reading, training_view, visitor
from app.logs.box import KEEP_DAYS, MOST_UPLOAD, Entry
from app.logs.choices import choose, reread
from app.logs.reading import Read
from app.screen import Declaration, NothingToShow, Option, Screen
from app.url import joined
from fame.bundle import pack
from fame.errors import FameError

__all__ = ["SCREEN", "render"]

HELP = """
Drop a log of who took what, and when: a table in any dialect (CSV, TSV, Parquet, JSON Lines; gz or zip), lines of
sequences, or a published data set as it is. It is read at once, by a process of its own, and this screen says what was
**taken, dropped and kept** before anything is learned. Where a guess is wrong, *How it was read* changes it.

**Train** follows the same pipeline as *fame train*. Its recipe is a file: download it, put it beside your log, and the
command line trains the same model. *Quick* is three short epochs of a small network. *Thorough* is up to twenty epochs
of a wider one, and then measures what the heads are about, which takes some minutes more.

**Yours alone.** Logs and models lie in a box that only your browser opens, by a cookie with a name that cannot be
guessed. No other visitor sees them. A link to the box opens it in another browser: whoever has the link sees what is
in it. A box that nobody opens for 30 days is removed, and *Delete* removes a log or model at once.
"""

SCREEN = Declaration(
    title="Your log",
    question="What does it say about my data?",
    order=9,
    help=HELP,
    options={"your_log_entry": Option(lambda screen, key: visitor.allowed() and bool(visitor.box().entry(key)))},
    needs_history=False,
    of_the_model=True,
)
STAGES = {
    "read": "read", "queued": "waiting", "running": "training", "done": "trained", "failed": "failed",
    "stopped": "stopped",
}  # fmt: skip


def render(screen: Screen) -> None:
    if not visitor.allowed():
        raise NothingToShow(
            "Uploading is off here",
            "This app is served to others, and whoever serves it has not let uploads in (FAME_UPLOADS=1).",
            "On your own machine: pip install the package, then fame app. There a log is read and trained where it is.",
        )
    box = visitor.box()
    if visitor.visiting():
        with st.container(horizontal=True, vertical_alignment="center"):
            st.warning(
                "This box was opened by a link. Whoever gave you the link sees what you drop here.",
                icon=":material/group:", width="stretch",
            )  # fmt: skip
            st.button("Back to my own box", key="your_log_leave", on_click=_leave)
    _drop(screen)
    entries = box.entries()
    if not entries:
        widgets.styled("Nothing is here yet: drop a log above.", "fame-note")
        return
    chosen = box.entry(screen.option("your_log_entry")) or entries[0]
    _list(screen, entries, chosen)
    if chosen.state.get("kind") == "bundle":
        _opened(screen, chosen)
    else:
        _log(screen, chosen)


# ---- what comes in


def _drop(screen: Screen) -> None:
    """The places to drop files, and what was wrong with the last one."""
    turn = st.session_state.setdefault("your_log_turn", 0)
    with st.container(key="your_log_two"):
        left, right = st.columns([3, 2], gap="large")
    with left:
        st.file_uploader(
            f"A log of who took what (at most {MOST_UPLOAD} MB)", key=f"your_log_drop_{turn}",
            max_upload_size=MOST_UPLOAD, on_change=_take, args=(f"your_log_drop_{turn}", "log"),
        )  # fmt: skip
    with right:
        st.file_uploader(
            "Or a bundle, as a zip", key=f"your_log_open_{turn}", max_upload_size=MOST_UPLOAD,
            on_change=_take, args=(f"your_log_open_{turn}", "bundle"),
        )  # fmt: skip
    if said := st.session_state.get("your_log_said"):
        st.error(widgets.literal(said), icon=":material/error:")


def _take(key: str, kind: str) -> None:
    """Keep a dropped file as a new entry, for callbacks."""
    file = st.session_state.get(key)
    if file is None:
        return
    st.session_state["your_log_turn"] += 1  # the server's memory lets the file go
    st.session_state["your_log_said"] = ""
    entry = None
    try:
        entry = visitor.box().add(file.name, kind, set(visitor.shipped()))
        if kind == "log":
            entry.put("log", file.name, file)
        else:
            entry.put_bundle(file)
            if wrong := reading.check_bundle(entry.folder / "bundle.zip"):
                raise FameError(wrong)
            entry.update(stage="done")
        session.update(your_log_entry=entry.key)
    except (FameError, OSError) as error:
        if entry is not None:
            entry.delete()
        st.session_state["your_log_said"] = f"{_named(str(error), file.name)}."


def _named(error: str, name: str) -> str:
    """An error about a kept file under the name that it was dropped with."""
    return error.replace("bundle.zip", name).rstrip(".")


def _leave() -> None:
    visitor.leave()
    session.update(your_log_entry=None)


# ---- what is there


def _list(screen: Screen, entries: list[Entry], chosen: Entry) -> None:
    """The entries of the box, and the way back to it."""
    known = {entry.key: entry.state for entry in entries}

    def called(key: str) -> str:
        state = known.get(key, {})
        stage = "opened" if state.get("kind") == "bundle" else STAGES.get(str(state.get("stage")), "")
        return f"{state.get('name')} · {stage}"

    with st.container(horizontal=True, vertical_alignment="bottom", key="your_log_controls"):
        st.selectbox(
            "In your box", list(known), format_func=called, width=420,
            **widgets.controlled("your_log_choice", chosen.key, "your_log_entry"),
        )  # fmt: skip
        with st.popover("Open this box elsewhere", type="tertiary"):
            st.write(
                f"This browser finds the box again after you close it, for {KEEP_DAYS} days after each visit. In "
                "another browser this link opens it. Whoever has the link sees and may delete what is in it."
            )
            st.code(visitor.own_link(), language=None)
        with st.popover("Delete", type="tertiary", key=f"your_log_delete_{chosen.key}"):
            widgets.write(f"{known[chosen.key].get('name')}: its log, training and model are removed, at once.")
            st.button("Delete it", key=f"your_log_gone_{chosen.key}", on_click=_delete, args=(chosen,))


def _delete(entry: Entry) -> None:
    entry.delete()
    session.update(your_log_entry=None)


def _opened(screen: Screen, entry: Entry) -> None:
    widgets.subheading(str(entry.state.get("name")), "a bundle that you opened")
    _ways(screen, entry)


def _ways(screen: Screen, entry: Entry) -> None:
    """From a model that is there: to the screens, and out as a file."""
    name, place = str(entry.state.get("name")), entry.model
    if place is None:
        return
    own = entry.histories
    with st.container(horizontal=True, vertical_alignment="center", key="your_log_ways"):
        query = {"m": name}
        if own:
            query["h"] = joined(random.choice(own))
        if visitor.visiting():
            query["box"] = visitor.box().token
        label = "Open it on a history of your log" if own else "Open it"
        st.page_link(screen.pages["story"], label=label, query_params=query, icon=":material/open_in_new:")
        st.download_button(
            "The bundle as one zip", lambda: place.read_bytes() if place.is_file() else pack(place, name),
            file_name=f"{name}.zip", mime="application/zip", key=f"your_log_zip_{entry.key}", on_click="ignore",
            type="tertiary", icon=":material/download:",
            help="fame.load(…) reads it, fame app serves it, and it can be dropped here again",
        )  # fmt: skip


# ---- a log


def _log(screen: Screen, entry: Entry) -> None:
    state = entry.state
    if state.get("stage") in ("queued", "running"):
        training_view.watched(entry)
        return
    with st.spinner(f"Reading {state.get('log')} …"):
        read = reading.look(entry)
    if state.get("stage") == "done":
        widgets.subheading(str(state.get("name")), "trained on your log")
        _ways(screen, entry)
        training_view.results(entry)
    elif state.get("stage") in ("failed", "stopped"):
        _broken(entry, state)
    _found(entry, read)
    reread(entry, read)
    if not read.trouble:
        choose(entry, read)


def _broken(entry: Entry, state: dict[str, Any]) -> None:
    """What became of a training that did not come to its end, and how it goes on."""
    if state.get("stage") == "failed":
        st.error(widgets.literal(f"The training ended: {state.get('error')}."), icon=":material/error:")
    else:
        st.info("The training was stopped. The epochs that are done are kept.", icon=":material/pause:")
    with st.container(horizontal=True):
        st.button("Go on", key=f"your_log_on_{entry.key}", on_click=training_view.start, args=(entry,))
        if any(run.get("epochs") for run in entry.progress.get("runs", [])):
            st.button(
                "Save the best so far", key=f"your_log_best_{entry.key}", on_click=training_view.start,
                args=(entry, True),
            )  # fmt: skip
    training_view.results(entry)


def _found(entry: Entry, read: Read) -> None:
    """What the log holds, before anything runs."""
    told = read.told
    widgets.subheading(str(entry.state.get("log")), "as it is read")
    if read.error:
        st.error(widgets.literal(f"{read.error}."), icon=":material/error:")
    elif read.trouble:
        st.warning(widgets.literal(f"Nothing can be learned of it: {read.trouble}."), icon=":material/info:")
    with st.container(key="your_log_read_two"):
        left, right = st.columns(2, gap="large")
    if "users" in told:
        with left:
            _figures(told)
            st.html("".join(f'<p class="fame-note fame-told">{html.escape(line)}</p>' for line in told["lines"]))
    if read.columns:
        roles = {column: role for role, column in told.get("columns", {}).items()}
        time = str(told.get("time", ""))
        for column in read.columns:
            if f"= {column}," in f"{time}," or f"= {column} " in time:
                roles.setdefault(column, "time")
        head = [f"{column} ({roles[column]})" if column in roles else column for column in read.columns]
        with right:
            widgets.table("First rows of the log", head[:12], [row[:12] for row in told["table"]["rows"]])


def _figures(told: Any) -> None:
    """Users, items, interactions and time span: of the log, and of what the k-core leaves."""
    core, span = told.get("core") or {}, told.get("span")
    rows = [("read", told["users"], told["items"], told["interactions"])]
    if core:
        rows.append((f"after the {core['k']}-core", *(told[n] - core[n] for n in ("users", "items", "interactions"))))
    shown = [(name, *(f"{n:,}" for n in numbers)) for name, *numbers in rows]
    widgets.table("What the log holds", ["", "users", "items", "interactions"], shown)
    if span:
        widgets.write(f"From {span[0]} to {span[1]}." if span[0] != span[1] else f"All on {span[0]}.")
