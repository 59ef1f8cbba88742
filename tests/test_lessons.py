"""Lessons: what is read of a file, however hostile, and that every answer is the model's own."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fame
from fame.bundle import Bundle
from fame.errors import FameError
from fame.explain import leave_one_out
from fame.lessons import Card, Lesson, Scene, answer, fact, fill, find_lessons, formula, history_of, read_lesson
from fame.lessons.vocabulary import ANSWERS, DEEDS, FACTS, FORMULAS, PICTURES
from fame.trace import Trace
from tests.app.small import make_bundle

GOOD = """---
title: A lesson
history: ids f1-f2-f3
---

# One
link: https://films.example/app/merge?k=5&head=2
light: sum
do: mute

Text about {item}.

```
# no card: a comment in code
```

## Afterwards
After *that*.

# Two
question: Which?
answer: head-with-most-say
"""


def lesson_of(folder: Path, text: str | bytes, name: str = "mine.md") -> Lesson:
    file = folder / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_lesson(file)


def test_a_file_becomes_cards(tmp_path: Path) -> None:
    lesson = lesson_of(tmp_path, GOOD, "My lesson, 2.md")
    one, two = lesson.cards
    assert (lesson.name, lesson.title, lesson.history) == ("my_lesson_2", "A lesson", "ids f1-f2-f3")
    assert (one.title, one.show, one.light, one.do, one.line) == ("One", "merge", "sum", "mute", 6)
    assert one.link == {"k": "5", "head": "2"} and "# no card" in one.text and one.after == "After *that*."
    assert (two.question, two.kind, two.show, two.text) == ("Which?", "head", "story", "")


@pytest.mark.parametrize(
    ("old", "new", "line", "reason"),
    [
        ("---\ntitle", "title", 1, "expected ---, which begins"),
        ("---\n\n# One", "\n# One", 1, "the front matter has no end"),
        ("title: A lesson\n", "", 1, "has no title"),
        ("title: A lesson", "title: A lesson\ncolour: red", 3, "'colour' is not known here"),
        ("title: A lesson", "title: A lesson\ntitle: B", 3, "title is given twice"),
        ("ids f1-f2-f3", "some day", 1, "there is no history 'some day'"),
        ("title: A lesson", "title: A lesson\nminutes: many", 1, "minutes is 'many'"),
        ("\n# One", "\nText\n# One", 6, "text before the first card"),
        ("do: mute", "do: sing", 9, "there is no do 'sing'"),
        ("do: mute", "do: mut", 9, "did you mean mute?"),
        ("light: sum", "light: history", 8, "there is no light 'history'; there is gate, heads, sum, row"),
        ("light: sum", "lihgt: sum", 8, "'lihgt' is not known here; did you mean light?"),
        ("/app/merge?k=5", "/app/merges?k=5", 7, "there is no link 'merges'; did you mean merge?"),
        ("k=5&head=2", "k", 7, "is no link"),
        ("{item}", "{itme}", 11, "there is no fact 'itme'; did you mean item?"),
        ("do: mute", "question: What?", 9, "a question needs an answer"),
        ("do: mute", "do: mute\nquestion: What?\nanswer: named-heads", 9, "one of them"),
        ("answer: head-with-most-say", "answer: 42", 22, "there is no answer '42'"),
        ("answer: head-with-most-say", "answer: best-head", 22, "asked of an attribute"),
        ("answer: head-with-most-say", "answer: named-heads genres", 22, "asked of nothing"),
        ("answer: head-with-most-say", "answer: head-with-most-say\nchoices: A | B", 23, "the words of a yes or no"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, old: str, new: str, line: int, reason: str) -> None:
    assert old in GOOD
    with pytest.raises(FameError) as error:
        lesson_of(tmp_path, GOOD.replace(old, new, 1))
    assert str(error.value).startswith(f"{tmp_path / 'mine.md'}, line {line}: ") and reason in str(error.value)


def test_hostile_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FameError, match=r"mine\.md: no UTF-8 text"):
        lesson_of(tmp_path, b"---\ntitle: \xff\xfe\n---\n# A\n")
    with pytest.raises(FameError, match="larger than 256 KB"):
        lesson_of(tmp_path, GOOD + "x" * (1 << 18))
    with pytest.raises(FameError, match="41 cards; expected 1 to 40"):
        lesson_of(tmp_path, "---\ntitle: A\n---\n" + "# C\n" * 41)
    with pytest.raises(FameError, match="0 cards"):
        lesson_of(tmp_path, "---\ntitle: A\n---\n")
    with pytest.raises(FameError, match="named with letters"):
        lesson_of(tmp_path, GOOD, "….md")
    with pytest.raises(FameError, match="cannot be read"):
        read_lesson(tmp_path / "none.md")
    assert lesson_of(tmp_path, b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode()).title == "A lesson"


@given(
    st.text(max_size=200) | st.lists(st.sampled_from([*GOOD.splitlines(), "---", "# ", "link: ?", "{a"])).map("\n".join)
)
def test_any_text_is_a_lesson_or_one_error(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    try:
        lesson = lesson_of(tmp_path_factory.getbasetemp(), text.encode("utf-8", "replace"))
    except FameError as error:
        assert "\n" not in str(error)
    else:
        assert lesson.title and all(card.show in PICTURES for card in lesson.cards)


def test_a_broken_lesson_is_skipped_and_the_others_stay(tmp_path: Path) -> None:
    (tmp_path / "good.md").write_text(GOOD)
    (tmp_path / "bad.md").write_text(GOOD.replace("do: mute", "do: sing"))
    (tmp_path / "is-a-facet-real.md").write_text(GOOD)
    (tmp_path / "notes.txt").write_text("no lesson")
    found, faults = find_lessons([tmp_path, tmp_path / "gone"])
    assert [lesson.name for lesson in found] == ["fame_in_fifteen_minutes", "is_a_facet_real", "good"]
    told = sorted(faults)
    assert len(told) == 3 and "bad.md, line 9: there is no do 'sing'" in told[0]
    assert "gone: cannot be read" in told[1] and "already a lesson of this name" in told[2]


def test_what_teachers_are_told_is_what_there_is() -> None:
    page = (Path(__file__).parents[1] / "docs" / "teaching.md").read_text("utf-8")
    words = [*PICTURES, *ANSWERS, *DEEDS, *FORMULAS, *(f"{{{name}}}" for name in FACTS)]
    assert [word for word in words if f"`{word}`" not in page] == []


def test_the_example_for_teachers_is_a_lesson(tmp_path: Path) -> None:
    page = (Path(__file__).parents[1] / "docs" / "teaching.md").read_text("utf-8")
    start = page.index("    ---\n    title: When")
    block = page[start : page.index("\nOver all cards", start)]
    lesson = lesson_of(tmp_path, "\n".join(line[4:] for line in block.splitlines()))
    assert [card.show for card in lesson.cards] == ["gate", "merge"] and lesson.minutes == 5


# ---- answers


def scene_of(bundle: Bundle, rows: tuple[int, ...], **more: object) -> Scene:
    def run(history: tuple[int, ...]) -> Trace:
        return bundle.trace(rows=history)

    return replace(Scene(bundle, rows, rows, run, k=5), **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def tiny() -> Bundle:
    return make_bundle()


def test_answers_about_heads_are_the_models_own(tiny: Bundle) -> None:
    whole = (1, 5, 9, 12, 20, 25)
    scene = scene_of(tiny, whole[:4], whole=whole)
    before, after = (tiny.trace(rows=whole[:n]).gate[-1] for n in (4, 5))
    move = after - before
    assert answer(scene, "head-that-falls").value == move.argmin()
    assert answer(scene, "head-that-rises").value == move.argmax()
    assert answer(scene, "head-with-most-say").value == before.argmax()
    assert answer(scene, "head-that-falls").choices == ("Head 1", "Head 2", "Head 3")
    assert f"head {move.argmin() + 1} goes from" in answer(scene, "head-that-falls").why
    trace = tiny.trace(rows=whole[:4])
    final = set(trace.top(5).row)
    common = [len(final & set(trace.top(5, head=h).row)) for h in range(3)]
    assert common[answer(scene, "head-most-like-final").value] == max(common)


def test_answers_about_items_are_runs_without_them(tiny: Bundle) -> None:
    rows = (1, 5, 9, 12)
    scene = scene_of(tiny, rows)
    row = int(tiny.trace(rows=rows).ranking()[0])
    whole = tiny.trace(rows=rows).scores[row]
    without = [tiny.trace(rows=[r for r in rows if r != gone]) for gone in rows]
    effects = [float(whole - trace.scores[row]) for trace in without]
    most = int(np.argmax(effects))
    found = answer(scene, "item-that-adds-most")
    assert found.choices[found.value] == tiny.catalogue.label(rows[most])
    assert fact(scene, "most-added") == tiny.catalogue.label(rows[most])
    table = leave_one_out(tiny.model, tiny.catalogue, rows, row)
    assert answer(scene, "rank-without-it").value == table["rank_without"].max()
    looked = int(tiny.trace(rows=rows).mixed_attention[scene.at_head, -1].argmax())
    tells = answer(scene, "attention-tells", ("True", "False"))
    assert tells.choices == ("True", "False") and tells.value == (looked != most)
    assert formula(scene, "effect")[1][0].endswith(f"= +{effects[most]:.2f}")  # type: ignore[union-attr]


def test_numbers_in_formulas_add_up(tiny: Bundle) -> None:
    scene = scene_of(tiny, (1, 5, 9, 12))
    words = [part for part in formula(scene, "sum")[1] if isinstance(part, str)]
    total, *terms = "".join(words).replace("−", "-").replace(" = ", " + ").split(" + ")
    products = [np.prod([float(x) for x in term.split(" × ")]) for term in terms]
    assert abs(float(total) - sum(products)) < 0.01 * len(terms) * (1 + max(map(abs, products)))
    percents = re.findall(r"([0-9.]+)%", "".join(map(str, formula(scene, "gate")[1])))
    assert percents[-1] == "100" and abs(sum(map(float, percents[:-1])) - 100) < 0.2
    betas = [float(term.split("·")[0]) for term in str(formula(scene, "router")[1][1]).split("= ")[1].split(" + ")]
    assert np.allclose(betas, tiny.trace(rows=(1, 5, 9, 12)).router[-1, scene.at_head], atol=0.006)


def test_what_a_model_lacks_is_told(tiny: Bundle) -> None:
    scene = scene_of(tiny, (5,))
    for asked, reason in (
        ("item-that-adds-most", "the only item of a history cannot be left out"),
        ("named-heads", "saved without"),
        ("gate-follows-at-first", "no training was watched"),
        ("head-that-falls", "nothing follows this history"),
    ):
        with pytest.raises(FameError, match=reason):
            answer(scene, asked)
    with pytest.raises(FameError, match="has no example 'Gone'"):
        history_of(tiny, scene.run, "example Gone", "whole")
    with pytest.raises(FameError, match="zz"):
        history_of(tiny, scene.run, "ids f1-zz", "whole")


SHIPPED = [(lesson, card) for lesson in find_lessons()[0] for card in lesson.cards]


@pytest.mark.parametrize(("lesson", "card"), SHIPPED, ids=lambda x: getattr(x, "title", ""))
def test_every_card_that_ships_can_be_told(lesson: Lesson, card: Card) -> None:
    bundle = fame.load(card.model or lesson.model)
    rows, whole = history_of(bundle, lambda history: bundle.trace(rows=history), lesson.history, card.history)
    scene = scene_of(bundle, rows, whole=whole, epoch=0)
    told = fill("\n".join([card.title, card.text, card.after, card.question]), lambda name: fact(scene, name))
    assert "{" not in told
    if card.formula:
        assert len(formula(scene, card.formula)) == 2
    if card.question:
        found = answer(scene, card.answer, card.choices)
        assert found.why.endswith(".")
        assert found.value in range(len(found.choices)) if found.choices else found.low <= found.value <= found.high
    else:
        assert card.do


def test_two_lessons_ship_of_nine_to_twelve_cards() -> None:
    found, faults = find_lessons()
    assert not faults and [lesson.title for lesson in found] == ["FAME in fifteen minutes", "Is a facet real?"]
    assert all(9 <= len(lesson.cards) <= 12 for lesson in found)


def test_the_lesson_is_on_the_example_whose_gate_moves_most() -> None:
    bundle = fame.load("ml-1m")
    rows, whole = history_of(bundle, lambda history: bundle.trace(rows=history), "most movement", "before the turn")

    def largest(history: tuple[int, ...]) -> float:
        return float(np.abs(np.diff(bundle.trace(rows=history).gate, axis=0)).sum(axis=1)[1:].max(initial=0))

    examples = [tuple(bundle.rows(example.items)) for example in bundle.examples]
    assert largest(whole) == max(largest(e) for e in examples if 6 <= len(e) <= 24)
    gates = bundle.trace(rows=whole).gate
    assert np.abs(gates[len(rows)] - gates[len(rows) - 1]).sum() == pytest.approx(largest(whole))
