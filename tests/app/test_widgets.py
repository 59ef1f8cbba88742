"""What a widget reports is a choice only where the visitor chose."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from app import widgets


def test_a_year_that_is_not_known_is_an_empty_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[bytes] = []
    monkeypatch.setattr(widgets.st, "download_button", lambda label, write, **rest: written.append(write()))
    widgets.download_table("CSV", pd.DataFrame({"row": [1, 2], "title": ["a", "b"], "year": [1994, 0]}), "x.csv", "x")
    assert written[0].decode("utf-8-sig") == "title,year\na,1994\nb,\n"


def test_what_a_widget_opened_with_is_no_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: dict[str, Any] = {}
    monkeypatch.setattr(widgets.st, "session_state", kept)
    taken: list[int] = []
    change = widgets.tied("box", 3, taken.append)["on_change"]
    change()  # a browser that went back quickly reports the box that it drew anew
    assert not taken
    kept["box"] = 5
    change()
    assert taken == [5]
    kept["box"] = 3
    change()
    assert taken == [5, 3], "taken back before the page was drawn"
    change = widgets.tied("box", 3, taken.append)["on_change"]
    change()
    assert taken == [5, 3]


def test_numbers_in_a_sentence_carry_their_notes() -> None:
    parts = widgets.with_badges(
        "Up beats Alien by 0.30: head 2 (+0.35) for it, head 1 (−0.05) against it.", "Up",
        {r"by [0-9.]+(?=:)": "the margin", r"\([+−][0-9.]+\)": "a share"},
    )  # fmt: skip
    noted = [(part.text, part.note) for part in parts if isinstance(part, widgets.Noted)]
    assert noted == [("by 0.30", "the margin"), ("(+0.35)", "a share"), ("(−0.05)", "a share")]
    assert [part + 1 for part in parts if isinstance(part, widgets.Badge)] == [2, 1]
    said = "".join(
        part.text if isinstance(part, widgets.Noted) else str(part + 1) if isinstance(part, int) else part
        for part in parts
    )
    assert said == "Up beats Alien by 0.30: head 2 (+0.35) for it, head 1 (−0.05) against it."


def test_a_sentences_first_head_is_a_badge_too() -> None:
    parts = widgets.with_badges("Head 4 comes closest; heads 1 and 2 do not.", "")
    assert [part + 1 for part in parts if isinstance(part, int)] == [4, 1, 2]
