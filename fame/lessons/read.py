"""Reading a lesson's file: Markdown with a small front matter, and a few words over each card.

    ---
    title: FAME in fifteen minutes
    model: ml-1m
    history: most movement
    ---

    # The gate
    link: /experts?head=2
    question: Which head loses most say when {next} is added?
    answer: head-that-falls

    Text of the card, in Markdown. Words in {braces} are computed.

    ## Afterwards
    What is shown once the card is done.

What a word may be stands in `fame.lessons.vocabulary`; docs/teaching.md explains it.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from fame.errors import FameError
from fame.home import HOME
from fame.lessons.vocabulary import ANSWERS, DEEDS, FACTS, FORMULAS, HISTORIES, PICTURES, SCREENS

__all__ = ["Card", "Lesson", "fill", "find_lessons", "folders", "read_lesson"]

SHIPPED = HOME / "lessons"
MOST_BYTES = 1 << 18
MOST_CARDS = 40
MOST_CHOICES = 9
OF_LESSON = ("title", "about", "model", "history", "minutes")
OF_CARD = ("link", "model", "history", "show", "before", "light", "formula", "do", "question", "answer", "choices")
LINE = re.compile(r"([a-z]+):\s*(.*)")
WORD = re.compile(r"\{([^{}\n]{0,40})\}")


@dataclass(frozen=True)
class Card:
    """One idea. Text and `after` are Markdown with facts in braces.

    line: of the file, from 1.   show: the picture.   before: the one shown until the card is done; '' for none.
    light: its part that is lit.   link: parameters of an address, as a copied link has them.
    do: a deed, or ''.   question, answer, choices: or ''; choices are the two words of a yes or no.
    """

    title: str
    line: int
    text: str = ""
    after: str = ""
    show: str = "story"
    before: str = ""
    light: str = ""
    formula: str = ""
    model: str = ""
    history: str = "whole"
    link: Mapping[str, str] = field(default_factory=dict)
    do: str = ""
    question: str = ""
    answer: str = ""
    choices: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """What an answer is: 'head', 'percent', 'item', 'truth', 'rank', 'count', or '' where nothing is asked."""
        return ANSWERS[self.answer.partition(" ")[0]][0] if self.answer else ""


@dataclass(frozen=True)
class Lesson:
    """A path of cards. name: of its file.   model: '' where any will do.   minutes: about how long it takes, or 0."""

    name: str
    title: str
    cards: tuple[Card, ...]
    about: str = ""
    model: str = ""
    history: str = "most movement"
    minutes: int = 0


def find_lessons(more: Iterable[str | Path] = ()) -> tuple[list[Lesson], list[str]]:
    """The lessons that ship, then those of further folders; and a sentence for each file that was skipped.

    A lesson of a name that is taken is skipped too.
    """
    lessons: dict[str, Lesson] = {}
    faults = []
    for folder in (SHIPPED, *(Path(folder).expanduser() for folder in more)):
        try:
            files = sorted(path for path in folder.iterdir() if path.suffix == ".md" and path.is_file())
        except OSError as error:
            faults.append(f"{folder}: cannot be read ({error.strerror or error}); give a folder of lessons")
            continue
        for file in files:
            try:
                lesson = read_lesson(file)
                if lesson.name in lessons:
                    raise FameError(f"{file}: there is already a lesson of this name; give the file another one")
                lessons[lesson.name] = lesson
            except FameError as error:
                faults.append(str(error))
    return list(lessons.values()), faults


def folders() -> list[str]:
    """Those of FAME_LESSONS, a list as PATH is."""
    return [folder for folder in os.environ.get("FAME_LESSONS", "").split(os.pathsep) if folder]


def read_lesson(path: str | Path) -> Lesson:
    """The lesson in a file.

    Raises:
        FameError: it is none; the message names file, line and reason.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MOST_BYTES:
            raise FameError(f"{path}: larger than {MOST_BYTES // 1024} KB; a lesson is a short text")
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise FameError(f"{path}: cannot be read ({error.strerror or error})") from None
    except UnicodeDecodeError:
        raise FameError(f"{path}: no UTF-8 text; save the file as UTF-8") from None
    name = re.sub(r"[^a-z0-9]+", "_", path.stem.lower()).strip("_")
    if not name:
        raise FameError(f"{path}: a lesson's file is named with letters, like gates.md")
    return _Reader(str(path), name, text.splitlines()).lesson()


class _Reader:
    """The lines of a file, read once from the top."""

    def __init__(self, file: str, name: str, lines: list[str]):
        self.file, self.name, self.lines = file, name, lines

    def wrong(self, line: int, reason: str) -> FameError:
        return FameError(f"{self.file}, line {line}: {reason}")

    def lesson(self) -> Lesson:
        if not self.lines or self.lines[0].strip() != "---":
            raise self.wrong(1, "expected ---, which begins the front matter: title, model, history")
        end = next((i for i, line in enumerate(self.lines[1:], 1) if line.strip() == "---"), None)
        if end is None:
            raise self.wrong(1, "the front matter has no end; expected a line of --- after it")
        values = dict(self.fields(range(1, end), OF_LESSON))
        if not values.get("title"):
            raise self.wrong(1, "the front matter has no title; expected a line like title: The gate")
        try:
            _history(values.get("history", "whole"))
        except _Wrong as wrong:
            raise self.wrong(1, wrong.reason) from None
        minutes = values.pop("minutes", "0")
        if not re.fullmatch(r"[0-9]{1,3}", minutes):
            raise self.wrong(1, f"minutes is {minutes[:40]!r}; expected a whole number")
        cards = tuple(self.cards(end + 1))
        if not 1 <= len(cards) <= MOST_CARDS:
            raise self.wrong(end + 1, f"{len(cards)} cards; expected 1 to {MOST_CARDS}, each below a line like # Title")
        return Lesson(self.name, cards=cards, minutes=int(minutes), **values)

    def fields(self, at: Iterable[int], known: tuple[str, ...]) -> Iterator[tuple[str, str]]:
        """The `name: value` of some lines; blank ones are passed over."""
        seen = set()
        for i in at:
            if not self.lines[i].strip():
                continue
            found = LINE.fullmatch(self.lines[i].strip())
            if not found or found[1] not in known:
                said = found[1] if found else self.lines[i].strip()
                raise self.wrong(i + 1, f"{said[:40]!r} is not known here{_near(said, known)}")
            if found[1] in seen:
                raise self.wrong(i + 1, f"{found[1]} is given twice")
            if not found[2]:
                raise self.wrong(i + 1, f"{found[1]} has no value")
            seen.add(found[1])
            yield found[1], found[2]

    def cards(self, at: int) -> Iterator[Card]:
        """Each begins with a line `# Title` outside of code."""
        starts, code = [], False
        for i in range(at, len(self.lines)):
            code ^= self.lines[i].lstrip().startswith("```")
            if not code and re.match(r"# +\S", self.lines[i]):
                starts.append(i)
        if stray := [i for i in range(at, starts[0] if starts else len(self.lines)) if self.lines[i].strip()]:
            raise self.wrong(stray[0] + 1, "text before the first card; a card begins with a line like # Title")
        for start, end in pairwise([*starts, len(self.lines)]):
            yield self.card(start, end)

    def card(self, start: int, end: int) -> Card:
        body = start + 1
        while body < end and LINE.match(self.lines[body]):
            body += 1
        values = dict(self.fields(range(start + 1, body), OF_CARD))
        line_of = {self.lines[i].partition(":")[0]: i + 1 for i in range(start + 1, body)}
        text, after = _halves(self.lines[body:end])
        for i in (start, *range(start + 1, end)):
            for word in WORD.findall(self.lines[i]):
                self.known(i + 1, word, FACTS, "fact")
        try:
            return _card(self.lines[start][1:].strip(), start + 1, values, text, after)
        except _Wrong as wrong:
            raise self.wrong(line_of.get(wrong.name, start + 1), wrong.reason) from None

    def known(self, line: int, word: str, words: Mapping[str, object], what: str) -> None:
        if word not in words:
            raise self.wrong(line, f"there is no {what} {word[:40]!r}{_near(word, words)}")


class _Wrong(Exception):
    """A field of a card that cannot be used, and why."""

    def __init__(self, name: str, reason: str):
        self.name, self.reason = name, reason


def _card(title: str, line: int, given: Mapping[str, str], text: str, after: str) -> Card:
    """A card of its fields, each held against the vocabulary."""
    values = dict(given)
    screen, link = _link(values.pop("link", ""))
    picture = values.get("show", screen)
    _one_of("show" if "show" in values else "link", picture, PICTURES)
    values.pop("show", None)
    for name, words in (("before", ["nothing", *PICTURES]), ("formula", FORMULAS), ("do", DEEDS)):
        if name in values:
            _one_of(name, values[name], words)
    if "light" in values:
        _one_of("light", values["light"], PICTURES[picture])
    asked = [name for name in ("question", "answer") if name in values]
    if len(asked) == 1:
        raise _Wrong(asked[0], "a question needs an answer, and an answer its question")
    if asked and "do" in values:
        raise _Wrong("do", "a card asks a question or something to do; give it one of them")
    if "history" in values:
        _history(values["history"])
    choices = tuple(part.strip() for part in values.pop("choices", "").split("|") if part.strip())
    if "answer" in values:
        name, _, about = values["answer"].partition(" ")
        _one_of("answer", name, ANSWERS)
        if about and "ATTRIBUTE" not in ANSWERS[name][1]:
            raise _Wrong("answer", f"{name} is asked of nothing; expected the word alone")
        if not about and "ATTRIBUTE" in ANSWERS[name][1]:
            raise _Wrong("answer", f"{name} is asked of an attribute; expected a line like answer: {name} genres")
    kind = ANSWERS[values["answer"].partition(" ")[0]][0] if "answer" in values else ""
    if choices and (kind != "truth" or len(choices) != 2):
        raise _Wrong("choices", "choices are the words of a yes or no, like Yes | No; others follow from the answer")
    return Card(title, line, text, after, picture, link=link, choices=choices, **values)


def _link(text: str) -> tuple[str, dict[str, str]]:
    """The picture and the parameters of a copied link, or of its end."""
    if not text:
        return "story", {}
    try:
        parts = urlsplit(text)
        link = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query), max_num_fields=60))
    except ValueError:
        raise _Wrong("link", f"{text[:40]!r} is no link; expected one copied from the app, or its end") from None
    screen = parts.path.rstrip("/").rpartition("/")[2]
    _one_of("link", screen, SCREENS)
    return SCREENS[screen], link


def _history(value: str) -> None:
    word, _, rest = value.partition(" ")
    if not (word in ("ids", "example") and rest.strip()):
        _one_of("history", value, [*HISTORIES, "ids 1-2-3", "example TITLE"])


def _one_of(name: str, value: str, words: Iterable[str]) -> None:
    words = list(words)
    if value not in words:
        raise _Wrong(name, f"there is no {name} {value[:40]!r}{_near(value, words)}")


def _near(word: str, words: Iterable[str]) -> str:
    """What was perhaps meant, or all that there is."""
    known = [w for w in words if w]
    near = difflib.get_close_matches(word, known, 1)
    return f"; did you mean {near[0]}?" if near else f"; there is {', '.join(known) or 'nothing to choose from'}"


def _halves(lines: list[str]) -> tuple[str, str]:
    """The text, and what stands under `## Afterwards`."""
    at = next((i for i, line in enumerate(lines) if re.fullmatch(r"## +Afterwards", line.strip())), len(lines))
    return "\n".join(lines[:at]).strip(), "\n".join(lines[at + 1 :]).strip()


def fill(text: str, fact: Callable[[str], str]) -> str:
    """A text with its facts: each word in braces becomes what `fact` says of it."""
    return WORD.sub(lambda found: fact(found[1]), text)
