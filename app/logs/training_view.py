"""A training as the visitor sees it: how far it is, beside what it is measured against, and how to end it."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app import widgets
from app.logs import queue
from app.logs.box import FINISH, Entry
from fame.errors import FameError
from fame.text import number, plural

__all__ = ["duration", "results", "start", "watched"]

EVERY = 1.0  # seconds between two looks
SHOWN = 6  # epochs in the table


def duration(seconds: float) -> str:
    """'8 seconds', '3 minutes', '1.5 hours'."""
    if seconds < 90:
        return plural(max(1, round(seconds)), "second")
    if seconds < 5400:
        return plural(round(seconds / 60), "minute")
    return f"{seconds / 3600:.1f} hours"


def start(entry: Entry, finish: bool = False) -> None:
    """Queue an entry's training, for callbacks; `finish` saves the best epoch so far in place of more."""
    st.session_state["your_log_said"] = ""
    try:
        queue.ask(entry)
        if finish:
            (entry.folder / FINISH).touch()
    except (FameError, OSError) as error:
        st.session_state["your_log_said"] = f"{error}."


@st.fragment(run_every=EVERY)
def watched(entry: Entry) -> None:
    """A training on its way, drawn anew each second; the whole screen where it is over."""
    queue.kick()  # where the server was started anew without anybody's looking
    state, progress = entry.state, entry.progress
    stage = state.get("stage")
    if stage not in ("queued", "running"):
        st.rerun()
    widgets.subheading(str(state.get("name")), "training on your log")
    if stage == "queued":
        before = queue.place(entry)
        turn = f"{plural(before, 'training')} of this server comes first" if before else "its turn comes now"
        widgets.write(f"Waiting: {turn}.")
    else:
        _far(progress)
    with st.container(horizontal=True):
        st.button("Stop", key=f"your_log_stop_{entry.key}", on_click=queue.cancel, args=(entry,))
        if stage == "running" and str(progress.get("stage")).startswith("training") and _some(progress):
            st.button(
                "Finish now, with the best so far", key=f"your_log_finish_{entry.key}", on_click=queue.finish,
                args=(entry,),
            )  # fmt: skip
    widgets.styled(
        "You can close this page: the training goes on. Where the server ends, it goes on from the last epoch once the "
        "server is back.",
        "fame-note",
    )
    results(entry)


def _some(progress: dict[str, Any]) -> bool:
    """Whether an epoch is done."""
    return any(run.get("epochs") for run in progress.get("runs", []))


def _far(progress: dict[str, Any]) -> None:
    """Stage, epoch and time left."""
    step, runs = progress.get("step"), progress.get("runs", [])
    said = str(progress.get("stage", "starting"))
    if step and runs:
        of = max(1, int(runs[-1].get("of", 1)))
        done = (step["epoch"] - 1 + step["done"] / step["of"]) / of
        left = progress.get("left")
        st.progress(min(1.0, done))
        said += f" · epoch {step['epoch']} of at most {of}, loss {step['loss']:.3f}"
        said += f" · at most {duration(left)} of epochs left" if left is not None else ""
    widgets.write(f"{said[0].upper()}{said[1:]}.")


def results(entry: Entry) -> None:
    """The epochs so far, beside the most popular, and a SASRec where one was asked for; the log of the training."""
    progress = entry.progress
    runs = [run for run in progress.get("runs", []) if run.get("epochs")]
    if not runs:
        return
    rows: list[list[str]] = []
    for run in runs:
        alone = run.get("variant") == "sasrec"
        best = max(run["epochs"], key=lambda e: e["valid"]["NDCG@10"])
        shown = run["epochs"][-SHOWN:]
        for e in shown if best in shown else [best, *shown[1:]]:
            rows.append(
                [
                    f"{run['title']}, epoch {e['epoch']}{' (best)' if e is best else ''}",
                    number(e["loss"], 3), number(e["valid"]["NDCG@10"], 4), number(e["valid"]["HR@10"], 4),
                    "" if alone else number(e["gate_entropy"]), "" if alone else number(e["router_entropy"]),
                    duration(e["seconds"]),
                ]
            )  # fmt: skip
    if popular := progress.get("popular"):
        rows.append(["the most popular", "", number(popular["NDCG@10"], 4), number(popular["HR@10"], 4), "", "", ""])
    head = ["on validation items", "loss", "NDCG@10", "HR@10", "gate entropy", "router entropy", "takes"]
    widgets.table("Epochs of the training", head, rows)
    log = entry.folder / "training.txt"
    if log.is_file():
        st.download_button(
            "What the training said", log.read_bytes, file_name=f"{entry.state.get('name')}-training.txt",
            mime="text/plain", key=f"your_log_said_{entry.key}", on_click="ignore", type="tertiary",
            icon=":material/download:",
        )  # fmt: skip
