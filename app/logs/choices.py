"""How a log is read and what is trained on it, as the visitor chooses: the parts of *Your log* before a training."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app import widgets
from app.logs import reading, training_view
from app.logs.box import Entry
from app.logs.reading import Read
from fame.errors import FameError
from fame.text import plural

__all__ = ["choose", "lasting", "reread"]

FOUND = "as found"
FORMS = ("csv", "json", "parquet", "sequences", "movielens", "recbole", "amazon")
SEPARATORS = {",": "comma", "tab": "tab", ";": "semicolon", "|": "bar |", "::": "two colons ::", "space": "blanks"}
ENCODINGS = ("utf-8", "utf-16", "cp1252", "latin-1", "cp1251", "gb18030", "shift_jis")
TIMES = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
EVIDENCE = " What the heads are about is measured after it, which may take longer than the training itself."
YES = {True: "yes", False: "no"}


def reread(entry: Entry, read: Read) -> None:
    """Every guess, to be changed; and a file of items."""
    state = entry.state
    now = dict(state.get("reading", {}))
    with st.expander("How it was read: change it, or add a file of items", expanded=bool(read.error)):
        _items(entry, state)
        with st.form(f"your_log_form_{entry.key}", border=False):
            chosen = _guesses(entry.key, now, read)
            if st.form_submit_button("Read it so"):
                entry.update(reading=chosen)
                st.rerun()


def _guesses(key: str, now: dict[str, Any], read: Read) -> dict[str, Any]:
    """The boxes of how a log is read; what they hold."""

    def pick(label: str, name: str, choices: dict[Any, str], note: str = "") -> Any:
        options = ["", *choices]
        if (given := now.get(name, "")) not in options:
            options.append(given)
        return st.selectbox(
            label, options, index=options.index(given), key=f"your_log_{name}_{key}", help=note or None,
            format_func=lambda value: FOUND if value == "" else choices.get(value, str(value)),
        )  # fmt: skip

    columns = {name or str(k): name or f"column {k}" for k, name in enumerate(read.columns, 1)}
    chosen: dict[str, Any] = {}
    a, b, c = st.columns(3)
    with a:
        chosen["form"] = pick("Form", "form", {form: form for form in FORMS})
        chosen["separator"] = pick("Separator", "separator", SEPARATORS)
        chosen["encoding"] = pick("Encoding", "encoding", {name: name for name in ENCODINGS})
        chosen["header"] = pick("The first line names the columns", "header", YES)
        chosen["no_user"] = pick("Lines hold items alone, no user", "no_user", YES, "In a file of sequences")
    with b:
        chosen["user"] = pick("Column of the user", "user", columns)
        chosen["item"] = pick("Column of the item", "item", columns)
        chosen["order"] = pick("Column of the time", "order", {**columns, "file": "none: the order of the file"})
        missing = st.text_input(
            "Words for a missing value", ", ".join(now.get("missing", [])), key=f"your_log_missing_{key}",
            placeholder="NA, unknown", help="Parted by commas; beside the empty cell, NULL, NaN, None and \\N",
        )  # fmt: skip
    with c:
        chosen["time_form"] = pick("Unit of the time", "time_form", TIMES)
        chosen["day_first"] = pick("In 03/04/2020 the day comes first", "day_first", YES)
        where = st.text_input(
            "Only rows where", " and ".join(now.get("where", [])), key=f"your_log_where_{key}",
            placeholder="rating >= 4", help="A condition on columns, such as rating >= 4 or event in ('view','buy')",
        )  # fmt: skip
        core = st.number_input(
            "k-core: each user and item at least so often",
            0,
            100,
            int(now.get("k_core", 5)),
            key=f"your_log_core_{key}",
        )
        repeats = st.toggle("Keep a user's second time with an item", now.get("repeats", True), f"your_log_again_{key}")
    chosen["missing"] = [word.strip() for word in missing.split(",") if word.strip()]
    chosen |= {"where": [where.strip()] if where.strip() else [], "k_core": int(core), "repeats": repeats}
    return {name: value for name, value in chosen.items() if value != ""}


def _items(entry: Entry, state: dict[str, Any]) -> None:
    """A file of items: dropped, told, taken away."""
    turn = st.session_state.setdefault("your_log_turn", 0)
    key = f"your_log_items_{entry.key}_{turn}"
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.file_uploader(
            "A file of the items: an id, a title, a year, attributes", key=key, on_change=_take_items, args=(entry, key)
        )
        if state.get("items"):
            widgets.styled(f"Now: {state['items']}", "fame-note")
            st.button("Without it", key=f"your_log_bare_{entry.key}", on_click=_drop_items, args=(entry,))


def _take_items(entry: Entry, key: str) -> None:
    file = st.session_state.get(key)
    if file is None:
        return
    st.session_state["your_log_turn"] += 1
    st.session_state["your_log_said"] = ""
    try:
        entry.put("items", file.name, file)
    except (FameError, OSError) as error:
        st.session_state["your_log_said"] = f"{error}."


def _drop_items(entry: Entry) -> None:
    if entry.items:
        entry.items.unlink(missing_ok=True)
    entry.update(items="", choices={**entry.state.get("choices", {}), "guide": []})


def choose(entry: Entry, read: Read) -> None:
    """What is trained, how long that takes, and the ways to begin: here, or by its recipe."""
    now: dict[str, Any] = {
        "length": "quick", "heads": 4, "experts": 4, "guide": [], "sasrec": False, "noun": "",
        **entry.state.get("choices", {}),
    }  # fmt: skip
    key = entry.key
    left = int(read.told["items"]) - int((read.told.get("core") or {}).get("items", 0))
    if entry.state.get("left") != left:
        entry.update(left=left)

    def change(name: str) -> None:
        value = st.session_state[f"your_log_{name}_{key}"]
        entry.update(choices={**now, name: value if value is not None else now[name]})

    def told(name: str) -> dict[str, Any]:
        return {"key": f"your_log_{name}_{key}", "on_change": change, "args": (name,)}

    widgets.subheading("Train", "FAME on this log")
    with st.container(horizontal=True, vertical_alignment="bottom", key=f"your_log_choices_{key}"):
        st.segmented_control(
            "How long", ["quick", "thorough"], default=now["length"], required=True, **told("length"),
            help="Quick: 3 epochs, width 32. Thorough: up to 20 epochs, width 64, and what the heads are about.",
        )  # fmt: skip
        st.number_input("Heads", 1, 8, now["heads"], width=120, **told("heads"))
        st.number_input("Experts per head", 1, 8, now["experts"], width=120, **told("experts"))
        attributes = read.told.get("attributes", {})
        st.multiselect(
            "Guide the first heads by", list(attributes), [name for name in now["guide"] if name in attributes],
            max_selections=now["heads"], disabled=not attributes, width=320, **told("guide"),
            placeholder="no guidance" if attributes else "no attributes: add a file of items",
            format_func=lambda name: f"{name} ({plural(attributes.get(name, 0), 'value')})",
        )  # fmt: skip
        st.text_input("An item is called", now["noun"], placeholder="item", width=120, max_chars=20, **told("noun"))
        st.toggle("A SASRec beside it", now["sasrec"], **told("sasrec"), help="Trained alike, to compare with")
    lasting(entry)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Train", key=f"your_log_train_{key}", type="primary", on_click=training_view.start, args=(entry,),
            icon=":material/play_arrow:",
        )  # fmt: skip
        st.download_button(
            "The recipe as TOML", lambda: reading.recipe_text(entry).encode(), file_name=f"{entry.state['name']}.toml",
            mime="application/toml", key=f"your_log_toml_{key}", on_click="ignore", type="tertiary",
            icon=":material/download:", help="Beside your log, fame train trains the same model with it",
        )  # fmt: skip
        widgets.styled(f"fame train {entry.state['name']}.toml trains the same", "fame-note")


def lasting(entry: Entry) -> None:
    """How long the chosen training takes here; looked at again until that is measured."""
    known = reading.estimate(entry)

    @st.fragment(run_every=1.0 if known is None else None)
    def line() -> None:
        found = reading.estimate(entry)
        if found is None:
            widgets.styled("How long will it take? A few steps are tried on this machine …", "fame-note")
        elif "error" in found:
            st.warning(widgets.literal(f"It cannot be trained so: {found['error']}."), icon=":material/info:")
        else:
            widgets.styled(said(found), "fame-note")
        if known is None and found is not None:
            st.rerun()

    line()


def said(found: dict[str, Any]) -> str:
    """An estimate in a sentence."""
    lasts = training_view.duration
    parts = [f"{plural(found['epochs'], 'epoch')} of {lasts(found['epoch'])}"]
    if found["sasrec"]:
        parts.append(f"a SASRec of {lasts(found['sasrec'])}")
    parts.append(f"test and population of {lasts(found['test'])}")
    line = f"On this machine training takes about {lasts(found['seconds'])} at most: {', '.join(parts)}, each "
    line += f"measured on a part of the real thing, and maps of about {lasts(found['maps'])}."
    return line + EVIDENCE * found["evidence"]
