"""What the time of a column is, decided over the whole of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from fame.errors import FameError

__all__ = [
    "TRIMMED",
    "TimeForm",
    "are_compact",
    "date_styles",
    "find_numbers",
    "given_form",
    "looks_like_time",
    "number_of",
    "number_unit",
    "tidied",
]

_HOURS = (
    "", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p", " %I:%M%p", " %I:%M:%S%p",
    " %I:%M:%S.%f %p",
)  # fmt: skip
_CLOCKS = (*_HOURS, *(f",{clock}" for clock in _HOURS[1:]), *(f"T{clock[1:]}" for clock in _HOURS[1:]))
_ZONED = tuple(f"{clock}{zone}" for clock in _CLOCKS[1:] for zone in (" %z", "%z"))
_DAY_FIRST = tuple(f"%d{s}%m{s}{y}" for s in "/-." for y in ("%Y", "%y"))
_MONTH_FIRST = (*(f"%m{s}%d{s}{y}" for s in "/-." for y in ("%Y", "%y")), "%m %d, %Y")
_NAMED = (
    "%d %b %Y", "%d-%b-%Y", "%d-%b-%y", "%d/%b/%Y", "%d %b, %Y", "%b %d, %Y", "%b %d %Y", "%b-%d-%Y", "%Y-%b-%d",
    "%d %B %Y", "%d-%B-%Y", "%d %B, %Y", "%B %d, %Y", "%B %d %Y", "%A, %B %d, %Y", "%a, %d %b %Y", "%a %d %b %Y",
    "%a %b %d %Y", "%d. %B %Y", "%d. %b %Y",
)  # fmt: skip
_WHOLE = ("%a %b %d %H:%M:%S %z %Y", "%a %b %d %H:%M:%S %Y", "%d/%b/%Y:%H:%M:%S %z", "%d/%b/%Y:%H:%M:%S")
_YEAR_FIRST = (
    "%Y/%m/%d", "%Y.%m.%d", "%Y-%m-%d", "%Y %m %d", "%Y%m%d", "%Y%m%dT%H%M%S", "%Y-%m", "%Y-%m-%d-%H-%M-%S",
    "%Y-%j", "%G-W%V-%u",
)  # fmt: skip

# Spellings that no pattern of strptime has, each with one that has; in this order.
_TIDIED = (
    (r"^\s*\[(.*)\]\s*$", r"\1"),  # Apache's brackets
    (r"\[[A-Za-z_/]+\]$", ""),  # Java's zone behind an offset
    (r"\s*\([A-Za-z ]+\)$", ""),  # JavaScript's name of a zone
    (r"\b(?:GMT|UTC)([+-]\d{2}:?\d{2})", r"\1"),
    (r"\s(?:UTC|GMT)(\s\d{4})$", r"\1"),
    (r"(\d)(?:st|nd|rd|th)\b", r"\1"),
    (r"\b(Sep)t\b", r"\1"),
    (r"\b(Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\.", r"\1"),
    (r"(\d)\s*([AaPp])\.\s?([Mm])\.?$", r"\1 \2\3"),
    (r"(\d{4})\s*[年년]\s*(\d{1,2})\s*[月월]\s*(\d{1,2})\s*[日号일]?", r"\1-\2-\3"),
    (r"(\d{1,2})[时時点시]\s*(\d{1,2})[分분]\s*(\d{1,2})[秒초]?", r"\1:\2:\3"),
    (r"(\d{1,2})[时時点시]\s*(\d{1,2})[分분]?", r"\1:\2"),
    (r"^(\d{4}-\d{1,2}-\d{1,2})_", r"\1 "),
    (r"(\d[ T]\d{1,2})[-.](\d{2})[-.](\d{2})\b", r"\1:\2:\3"),
    (r"(:\d{2}),(\d{1,9})", r"\1.\2"),  # Python's logging
    (r"^(\d{8})[-_T ]?(\d{2})(\d{2})(\d{2})(?:\.\d+)?Z?$", r"\1T\2\3\4"),
    (r"^(\d{8})[-_T ]?(\d{2})(\d{2})Z?$", r"\1T\2\300"),
    (r"^(\d{4})-?W(\d{2})$", r"\1-W\2-1"),
    (r"^(\d{4})W(\d{2})-?(\d)$", r"\1-W\2-\3"),
    (r"^(\d{1,2})([A-Za-z]{3})(\d{2,4})", r"\1-\2-\3"),  # SAS
    (r"^(\d{1,2}-[A-Za-z]{3}-\d{2,4}):(\d{1,2}:)", r"\1 \2"),
    (r"^(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}[ T]\d{1,2})h?$", r"\1:00"),
    (r"^([A-Za-z]{3,9})[- ](\d{4})$", r"1 \1 \2"),
    (r"^(\d{1,2})/(\d{4})$", r"1/\1/\2"),
)

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
GROUPED = re.compile(r"\d{1,3}(,\d{3})+")
COMMA = re.compile(r"[+-]?\d+,\d+")  # a decimal as most of Europe writes it
_COMPACT = re.compile(r"(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(([01]\d|2[0-3])[0-5]\d([0-5]\d)?)?(\.0*)?")
_MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_DATE = re.compile(
    r"(\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4})|(\d{1,2}[ -/.]?[A-Za-z]{3,9}\.?[ -/,.]+\d{2,4})"
    r"|([A-Za-z]{3,9}\.? \d{1,2},? \d{4})"
    r"|([A-Z][a-z]{2} [A-Z][a-z]{2} \d{1,2} \d)|(\d{1,2} \d{1,2}, \d{4})|(\d{8}[-_T ]\d{4,6})"
    rf"|(\d{{1,2}}(?i:{_MONTHS})\d{{2,4}})|(\[\d{{1,2}}/[A-Z])|(\d{{4}}\s*[年년])|(\d{{4}}-?W\d\d)"
    rf"|((?i:{_MONTHS})[a-z]* (\d{{1,2}}(st|nd|rd|th),? )?\d{{4}})"
)


@dataclass(frozen=True)
class TimeForm:
    """A way to read a column of times.

    words: for people.   sql: an expression over {0}, giving microseconds since 1970 as BIGINT, or '' for numbers.
    unit: 's', 'ms', 'us', 'ns', or '' where numbers are no times.
    patterns: strptime's, of which the SQL tries one after the other; none for what is no list of them.
    """

    words: str
    sql: str = ""
    unit: str = ""
    patterns: tuple[str, ...] = ()

    def only(self, patterns: Sequence[str]) -> TimeForm:
        """The same with few patterns: these, then other times of day behind their dates."""
        kept = [p for p in self.patterns if p in patterns]
        if not kept:
            return self
        dates = {_date_of(p) for p in kept}
        rest = [p for p in self.patterns if p not in kept and _date_of(p) in dates]
        return replace(self, sql=_tried([*kept, *rest]))


def _date_of(pattern: str) -> str:
    """A pattern without its time of day."""
    return re.split(r"[ ,T:]+%[HI]", pattern, maxsplit=1)[0]


def looks_like_time(values: Sequence[str]) -> bool:
    """Whether nearly all of `values` look like dates, or numbers that are times since 1970."""
    if not values:
        return False
    dates = sum(bool(_DATE.match(v.strip())) for v in values)
    if dates > 0.9 * len(values):
        return True
    return number_unit(values) != "" and len(set(values)) > 1


def find_numbers(values: Sequence[str]) -> bool:
    """Whether nearly all of `values` are numbers."""
    return sum(number_of(v) is not None for v in values) > 0.9 * len(values)


def number_of(text: str) -> float | None:
    """The number that a text is, however its thousands and decimals are written; None for none."""
    text = text.strip()
    if NUMBER.fullmatch(text):
        return float(text)
    if GROUPED.fullmatch(text):
        return float(text.replace(",", ""))
    return float(text.replace(",", ".")) if COMMA.fullmatch(text) else None


def are_compact(values: Sequence[str]) -> bool:
    """Whether nearly all of `values` are dates without a mark, as 20200105 or 20200105101112."""
    return sum(bool(_COMPACT.fullmatch(v.strip())) for v in values) > 0.9 * len(values)


def tidied(text: str, values: Sequence[str]) -> str:
    """SQL that gives the text of a time as strptime knows it.

    text: SQL of a column.   values: some of it, which tell what has to be rewritten.
    """
    some = [v.strip() for v in values]
    for pattern, instead in _TIDIED:
        found = re.compile(pattern)
        if any(found.search(v) for v in some):
            text = f"regexp_replace(trim({text}), '{pattern}', '{instead}')"
            some = [found.sub(instead.replace("\\300", r"\g<3>00"), v, count=1) for v in some]
    return text


def number_unit(values: Sequence[str]) -> str:
    """The unit since 1970 in which nearly all numbers fall between 1990 and 2050; '' for none."""
    numbers = [abs(number) for value in values if (number := number_of(value)) is not None]
    if not numbers or len(numbers) < 0.9 * len(values):
        return ""
    for unit, scale in (("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)):
        if sum(631_152_000 * scale <= n <= 2_524_608_000 * scale for n in numbers) > 0.9 * len(numbers):
            return unit
    return ""


def _strptime(formats: Sequence[str]) -> str:
    listed = ", ".join(f"'{f}'" for f in formats)
    return f"epoch_us(try_strptime({{0}}, [{listed}]))"


def _with_clocks(dates: Sequence[str]) -> list[str]:
    return [f"{date}{clock}" for clocks in (_CLOCKS, _ZONED) for date in dates for clock in clocks]


def _tried(patterns: Sequence[str]) -> str:
    # Zoned patterns make the whole list answer with zones, which the session keeps in UTC.
    zoned = [p for p in patterns if "%z" in p]
    plain = [p for p in patterns if "%z" not in p]
    sql = ", ".join(_strptime(part) for part in (plain, zoned) if part)
    return f"coalesce({sql})".replace("{0}", TRIMMED)


_CLEAN = (
    "regexp_replace(regexp_replace(regexp_replace(trim({0}), '\\s*(UTC|GMT|Z)$', ''), "
    "'\\s+([+-]\\d\\d:?\\d\\d)$', '\\1'), '([T ]\\d\\d:\\d\\d(:\\d\\d)?(\\.\\d+)?[+-]\\d\\d)(\\d\\d)$', '\\1:\\4')"
)
_ISO = f"epoch_us(try_cast({_CLEAN} AS TIMESTAMPTZ))"
TRIMMED = "regexp_replace(trim({0}), '\\s*(UTC|GMT)$', '')"


def date_styles(values: Sequence[str]) -> dict[str, TimeForm]:
    """The ways to read a column of dates, in the order in which ties are decided.

    values: some of the column, tidied; they tell whether years have two digits or four, as either pattern reads both.
    """
    years = [re.sub(r"\.\d{5,}|(?<=:\d\d) ?[+-]\d{4}", "", v) for v in values]  # without fractions and zones
    short = sum(bool(re.search(r"\d{4}", v)) for v in years) < 0.5 * len(values)
    words = {
        "year": ("dates, the year first", _with_clocks(_YEAR_FIRST)),
        "day": ("dates, the day first", _with_clocks(_DAY_FIRST)),
        "month": ("dates, the month first", _with_clocks(_MONTH_FIRST)),
        "named": ("dates with names of months", [*_WHOLE, *_with_clocks(_NAMED)]),
    }
    if short:
        words.pop("year")
    listed = {}
    for style, (said, patterns) in words.items():
        fit = tuple(p for p in patterns if ("%y" in p) == short)
        listed[style] = TimeForm(said, _tried(fit), "us", fit)
    return listed if short else {"iso": TimeForm("ISO dates", _ISO, "us"), **listed}


def given_form(text: str) -> TimeForm:
    """What `time_form` says.

    Raises:
        FameError: it is neither a unit nor a pattern.
    """
    if text in ("s", "ms", "us", "ns"):
        return TimeForm(f"numbers, {text} since 1970", "", text)
    if "%" not in text or "'" in text:
        raise FameError(f"time form {text[:40]!r}: expected s, ms, us, ns or a pattern like %d.%m.%Y %H:%M")
    return TimeForm(f"dates as {text}", f"epoch_us(try_strptime(trim({{0}}), '{text}'))", "us")
