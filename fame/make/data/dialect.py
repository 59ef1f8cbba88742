"""Which table a text is: what parts its fields, how they are quoted, whether a line names the columns."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from fame.errors import FameError
from fame.make.data.names import KNOWN, plain_name

__all__ = ["SPACES", "Dialect", "fields_of", "find_dialect"]

SPACES = " "  # runs of blanks
SEPARATORS = ("\t", "::", ";", "|", ",", "\x01", "\x1f", "~", "^", SPACES)  # in this order where nothing else tells
WORDS = {"\t": "tab", SPACES: "space", "\x01": "^A", "\x1f": "^_"}
SAMPLE_LINES = 2_000
MAX_COLUMNS = 2_000
MAX_LINES_OF_A_ROW = 200
UNIFORM = 0.9
NUMBER = re.compile(r"[+-]?\d[\d,.]*(e[+-]?\d+)?", re.IGNORECASE)
DATE = re.compile(r"\d{1,4}[-/.]\d")
LETTERS = re.compile(r"[^\W\d_]")


@dataclass(frozen=True)
class Dialect:
    """How a text holds a table.

    separator: of fields; SPACES is any run of blanks.   quote: '"', "'" or '' for none.
    escape: '"' where a quote inside is doubled, a backslash where it stands after one.
    skip: lines before the first row.   names: of the columns, the file's own or '1', '2', ….
    header: the names are the file's own.   uniform: rows have one width; else lines are sequences.
    told: what was found, in words for people.
    """

    separator: str
    quote: str
    escape: str
    skip: int
    names: tuple[str, ...]
    header: bool
    uniform: bool
    told: tuple[str, ...] = ()


def find_dialect(
    name: str, head: str, whole: bool, separator: str | None = None, header: bool | None = None
) -> Dialect:
    """The dialect of a text by its first lines.

    Raises:
        FameError: no line holds anything, or the header has far too many columns.
    """
    lines = head.split("\n")
    lines = lines[: SAMPLE_LINES + 200]
    told: list[str] = []
    skip, declared, comment = _preamble(lines, told)
    if skip >= len(lines) - 1 and any(map(str.strip, lines)):  # where each line begins so, none is a comment
        told, skip, comment = [], 0, None
    wanted = {"tab": "\t", "space": SPACES, "\\t": "\t"}.get(separator or "", separator) or declared
    rows = [line for line in lines[skip:] if line.strip()]
    if not rows:
        raise FameError(f"{name}: holds no rows; expected a line per row")
    quote = _quote(rows)
    escape = _escape(rows, quote)
    parts = wanted or _separator(rows, quote, escape)
    first, width, often = _width(rows, parts, quote, escape)
    if often < UNIFORM and quote:  # texts of several lines make rows of several lines
        whole_rows = _records(rows, quote)
        joined = wanted or _separator(whole_rows, quote, escape)
        again = _width(whole_rows, joined, quote, escape)
        if again[1] > 1 and again[2] >= UNIFORM:
            rows, parts, (first, width, often) = whole_rows, joined, again
    if max(len(first), width) > MAX_COLUMNS and len(rows) > 1:
        raise FameError(f"{name}: more than {MAX_COLUMNS:,} columns; expected a table of user, item and time")
    uniform = often >= UNIFORM and width > 1
    if _names_sequences(first) and len(first) < width:
        uniform = False
    elif _roles(first) > 1:  # a header that says it: rows of other widths are broken, or texts of several lines
        width, uniform = (width, True) if uniform else (len(first), True)
    base = Dialect(parts, quote, escape, skip, (), False, uniform)
    if not base.uniform:
        return _of_sequences(base, rows, parts, quote, header, told)
    base, rows = _title_lines(base, lines, rows, width, told)
    return _of_table(base, rows, width, header, comment, told)


def _width(rows: Sequence[str], separator: str, quote: str, escape: str) -> tuple[list[str], int, float]:
    """The first row's fields, the usual number of fields of a row, and the share of rows that have it."""
    widths = Counter(len(fields_of(line, separator, quote, escape)) for line in rows[:SAMPLE_LINES])
    width, often = max(widths.items(), key=lambda pair: (pair[1], pair[0]))
    first = fields_of(rows[0], separator, quote)
    if len(rows) > 1 and len(first) != width:  # a header may be of a width of its own
        widths[len(first)] -= 1
        width, often = max(widths.items(), key=lambda pair: (pair[1], pair[0]))
    return first, width, often / (sum(widths.values()) or 1)


def _records(rows: Sequence[str], quote: str) -> list[str]:
    """Lines joined to the rows that they are parts of, where a quote is open at a line's end."""
    made: list[str] = []
    held: list[str] = []
    for row in rows:
        held.append(row)
        if sum(line.count(quote) for line in held) % 2 == 0:
            made.append("\n".join(held))
            held = []
        elif len(held) > MAX_LINES_OF_A_ROW:  # a stray quote, which opens nothing
            made += held
            held = []
    return made + held


def fields_of(line: str, separator: str, quote: str, escape: str = "") -> list[str]:
    """One line as its fields."""
    line = line.rstrip("\r\n")
    if separator == SPACES:
        if quote and quote in line:
            flat = " ".join(line.split())
            return next(csv.reader([flat], delimiter=" ", quotechar=quote, skipinitialspace=True), [])
        return line.split()
    if quote and quote in line and len(separator) == 1:
        try:
            slash = "\\" if escape == "\\" else None
            made = csv.reader([line], delimiter=separator, quotechar=quote, escapechar=slash, skipinitialspace=True)
            return next(made, [])
        except csv.Error:
            pass
    return line.split(separator)


def _preamble(lines: Sequence[str], told: list[str]) -> tuple[int, str | None, str | None]:
    """Lines before the table: blank ones, comments and Excel's sep=; the separator and the last comment."""
    skip, declared, comment, comments = 0, None, None, 0
    for line in lines:
        text = line.strip()
        if found := re.fullmatch(r'"?sep=(.|\\t)"?', text, re.IGNORECASE):
            declared = {"\\t": "\t"}.get(found[1], found[1])
            told.append("a line sep= skipped")
        elif line.lower().startswith("sep=\t"):
            declared = "\t"
        elif text.startswith(("#", "%")) and not text.startswith("%%"):
            comment, comments = text[1:].strip(), comments + 1
        elif text:
            break
        skip += 1
    if comments:
        told.append(f"{comments} comment {'line' if comments == 1 else 'lines'} skipped")
    return skip, declared, comment


def _quote(rows: Sequence[str]) -> str:
    starts = re.compile(r'(^|[\t;,|: ])\s*"')
    if any(starts.search(row) for row in rows):
        return '"'
    wrapped = sum(bool(re.match(r"^'[^']*'[\t;,|].*'$", row)) for row in rows)
    return "'" if wrapped > UNIFORM * len(rows) else ""


def _escape(rows: Sequence[str], quote: str) -> str:
    if not quote:
        return ""
    slashed = sum(row.count("\\" + quote) for row in rows)
    closing = sum(len(re.findall(rf"\\{quote}(?=[\t;,|]|$)", row)) for row in rows)  # "C:\" ends a field
    return "\\" if slashed > closing and slashed > sum(row.count(quote * 2) for row in rows) else quote


def _separator(rows: Sequence[str], quote: str, escape: str) -> str:
    best: tuple[tuple[float, ...], str] | None = None
    wide: dict[str, int] = {}
    certain = False
    for place, separator in enumerate(SEPARATORS):
        split = [fields_of(row, separator, quote, escape) for row in rows[:SAMPLE_LINES]]
        if max(map(len, split)) < 2:
            continue
        widths = Counter(map(len, split[1:] or split))
        width, often = max(widths.items(), key=lambda pair: (pair[1], pair[0]))
        share = often / max(1, len(split[1:] or split))
        named = [] if re.search(r"\d{4}", " ".join(split[0])) else [plain_name(cell) for cell in split[0]]
        roles = {KNOWN[n] for n in named if n in KNOWN}
        known = any(n in KNOWN for n in named)
        uniform = width > 1 and share >= UNIFORM
        # Sequences have rows of any width: there the separator with most fields is theirs.
        fields = sum(map(len, split)) if not uniform else 0
        score = (float(uniform and len(roles) > 1), float(uniform), float(uniform and known), fields, -place)
        if separator == SPACES and (certain or (not uniform and quote)):
            continue  # the blanks are those between words
        certain = certain or (uniform and width > (1 if separator == "\t" else 2))
        if best is None or score > best[0]:
            best = score, separator
            wide[separator] = width if uniform else 0
        elif uniform and best[1] == "|" and width > wide["|"] and score[:1] >= best[0][:1]:
            best, wide[separator] = (score, separator), width  # bars part the values of a list inside a cell
    return best[1] if best else ","


def _title_lines(
    base: Dialect, lines: Sequence[str], rows: list[str], width: int, told: list[str]
) -> tuple[Dialect, list[str]]:
    """Up to ten lines of another width above the table: a report's title."""
    above = 0
    while above < min(10, len(rows) - 2) and len(fields_of(rows[above], base.separator, base.quote)) == 1:
        above += 1
    if not above or len(fields_of(rows[above], base.separator, base.quote)) < width - 1:
        return base, rows
    told.append(f"{above} {'line' if above == 1 else 'lines'} above the table skipped")
    seen, skip = 0, base.skip
    while seen < above:
        seen += bool(lines[skip].strip())
        skip += 1
    return replace(base, skip=skip), rows[above:]


def _of_sequences(
    base: Dialect, rows: Sequence[str], separator: str, quote: str, header: bool | None, told: list[str]
) -> Dialect:
    first = fields_of(rows[0], separator, quote)
    if header is None:
        header = len(rows) > 1 and _names_sequences(first)
    if header:
        told.append("a header line skipped")
    return replace(base, skip=base.skip + bool(header), header=bool(header), told=tuple(told))


def _roles(cells: Sequence[str]) -> int:
    """How many different roles the cells name."""
    return len({KNOWN[n] for cell in cells if (n := plain_name(cell)) in KNOWN})


def _names_sequences(cells: Sequence[str]) -> bool:
    """Whether the cells are a header of sequences, such as 'user items'."""
    words = [plain_name(cell) for cell in cells]
    listy = {"items", "history", "sequence", "itemids", "itemlist", "itemsequence", "movies", "seq"}
    named = bool(words) and len(words) <= 3 and KNOWN.get(words[0]) == "user"
    return named and all(KNOWN.get(w) in ("user", "item") or w in listy or re.fullmatch(r"item\d*", w) for w in words)


def _of_table(
    base: Dialect, rows: Sequence[str], width: int, header: bool | None, comment: str | None, told: list[str]
) -> Dialect:
    split = [fields_of(row, base.separator, base.quote, base.escape) for row in rows[:SAMPLE_LINES]]
    first, body = split[0], [row for row in split[1:] if len(row) == width]
    own = first
    if header is None:
        header = is_header(first, body or split[1:])
    from_comment = False
    if not header and comment and len(own := fields_of(comment, base.separator, base.quote)) == width:
        from_comment = sum(plain_name(cell) in KNOWN for cell in own) >= 2
    if header or from_comment:
        names = [" ".join(cell.split()) for cell in own]
        if len(names) < width:  # a nameless last column is a separator at the end; else it is R's row names
            empty = all(not row[-1].strip() for row in body)
            names = names + [""] * (width - len(names)) if empty or width - len(names) > 1 else ["", *names]
        names = names[:width] if not any(names[width:]) else names
    else:
        names = [str(k) for k in range(1, width + 1)]
    skip = base.skip
    if header:
        skip += 1
    told.append("a header" if header or from_comment else "no header")
    return replace(base, skip=skip, names=tuple(names), header=header or from_comment, told=tuple(told))


def is_header(first: Sequence[str], body: Sequence[Sequence[str]]) -> bool:
    """Whether `first` names the columns of `body`: known names, or words above numbers, or words never repeated."""
    cells = [cell.strip() for cell in first]
    if len(cells) > 1 and cells == [str(k) for k in range(len(cells))]:  # pandas' names of nameless columns
        return any(len(row) == len(cells) and not NUMBER.fullmatch(row[k].strip()) for row in body for k in (0, 1)) or (
            len(body) > 1 and all(NUMBER.fullmatch(row[-1].strip()) and len(row[-1].strip()) >= 8 for row in body)
        )
    if not any(cells) or any(NUMBER.fullmatch(cell) for cell in cells):
        return False
    if any(len(cell) > 80 for cell in cells):
        return False
    filled = [cell for cell in cells if cell]
    roles = [KNOWN[n] for cell in filled if (n := plain_name(cell)) in KNOWN]
    typed = sum(bool(re.search(r":(token|float)(_seq)?$", cell)) for cell in filled)
    if len(set(roles)) >= 2 or typed == len(filled):
        return True
    if not body:
        return bool(roles)
    for k, cell in enumerate(cells):
        column = [row[k].strip() for row in body if k < len(row) and row[k].strip()]
        if column and cell and LETTERS.search(cell) and all(NUMBER.fullmatch(x) for x in column):
            return True
        if column and cell and not DATE.match(cell) and all(DATE.match(x) for x in column):
            return True
    if roles:
        return True
    seen = [{row[k].strip() for row in body if k < len(row)} for k in range(len(cells))]
    recurs = [len(values) < 0.7 * len(body) for values in seen]
    # A word that never comes again, above values that do, in every such column.
    return (
        len(body) >= 10
        and any(recurs)
        and all(cell not in values for cell, values, again in zip(cells, seen, recurs, strict=False) if again and cell)
    )
