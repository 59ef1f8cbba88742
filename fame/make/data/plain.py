"""Text from outside as plain UTF-8 with line feeds, on disk: what the table engine reads at full speed."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fame.errors import FameError
from fame.make.data.files import BLOCK, opened

__all__ = ["HEAD_BYTES", "Plain", "plain_text"]

HEAD_BYTES = 1 << 20
MAX_LINE_BYTES = 16 << 20
MAX_JSON_LINE_BYTES = 1 << 30
LEAST_PAIRS = 20  # of bytes beyond ASCII, below which nothing can be told of them
ASIAN = {"gb18030": "GBK", "euc_kr": "EUC-KR", "euc_jp": "EUC-JP"}

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)


@dataclass(frozen=True)
class Plain:
    """A text file that is UTF-8 with LF or CRLF and no byte order mark.

    path: the file itself, or a copy.   head: its first part, whole lines.   whole: the head is all of it.
    lines: how many line ends it has.   quotes: whether a double quote stands anywhere.   told: what was changed.
    """

    path: Path
    head: str
    whole: bool
    lines: int
    quotes: bool
    told: tuple[str, ...]


@dataclass
class _Scan:
    lines: int = 0
    cr: int = 0
    crlf: int = 0
    quotes: bool = False
    utf8: bool = True
    nul_line: int = 0


def plain_text(path: Path, name: str, folder: Path, encoding: str | None = None) -> Plain:
    """A checked file of text, rewritten into `folder` where it is not plain already.

    encoding: None to find it: a byte order mark, UTF-8, UTF-16 without a mark, else line by line UTF-8 or
        Windows-1252, of which Latin-1 is a part; or GBK, EUC-KR or EUC-JP, where bytes come in pairs.

    Raises:
        FameError: binary data, an overlong line, or text that is not in the encoding given.
    """
    if encoding is not None:
        try:
            if not codecs.lookup(encoding)._is_text_encoding:
                raise LookupError
        except LookupError:
            raise FameError(
                f"encoding {encoding[:40]!r} is unknown; expected one like utf-8, cp1252 or utf-16"
            ) from None
    with opened(path) as file:
        head = file.read(BLOCK)
    mark = next((n for m, n in _MARKS if head.startswith(m)), None)
    found = encoding or mark or _wide(head)
    told: list[str] = []
    if found in (None, "utf-8") or (found == "utf-8-sig" and not mark):
        scan = _scan(path, name)
        if scan.nul_line:
            raise FameError(f"{name}: line {scan.nul_line} holds binary data; expected text")
        if scan.utf8 and scan.cr == scan.crlf and scan.crlf in (0, scan.lines) and not mark:
            return _with_head(path, scan, told)
        if not scan.utf8 and found == "utf-8":
            raise FameError(f"{name}: not UTF-8 all through; give another --encoding, or none to have it guessed")
        found = "utf-8" if scan.utf8 else None
    if found is None and (asian := _two_bytes(head)):
        told.append(f"{ASIAN[asian]}, by its bytes (else say --encoding)")
        pieces = _decoded(path, name, asian, "replace")
    elif found:
        if found not in ("utf-8", "utf-8-sig"):
            told.append(codecs.lookup(found).name.upper().replace("ISO8859-1", "Latin-1"))
        pieces = _decoded(path, name, found)
    else:
        pieces = _by_line(path, told)
    target = folder / "plain.txt"
    scan = _rewrite(pieces, target, name)
    if scan.cr:
        told.append("line ends CR" if scan.cr >= scan.lines else "mixed line ends")
    return _with_head(target, scan, told)


def _with_head(path: Path, scan: _Scan, told: list[str]) -> Plain:
    with opened(path) as file:
        head = file.read(HEAD_BYTES)
        whole = not file.read(1)
    if not whole:
        cut = head.rfind(b"\n") + 1
        head = head[:cut] if cut else head
    text = head.decode("utf-8", "ignore").replace("\r\n", "\n")
    return Plain(path, text, whole, scan.lines, scan.quotes, tuple(told))


def _wide(head: bytes) -> str | None:
    """UTF-16 without a mark: every second byte of plain text is zero."""
    sample = head[: len(head) // 2 * 2][:4096]
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    if len(sample) >= 4 and max(even, odd) > 0.7 * len(sample) / 2 and min(even, odd) < 0.1 * len(sample) / 2:
        return "utf-16-be" if even > odd else "utf-16-le"
    return None


def _scan(path: Path, name: str) -> _Scan:
    scan, decoder, since, before = _Scan(), codecs.getincrementaldecoder("utf-8")(), 0, b""
    limit = MAX_LINE_BYTES
    with opened(path) as file:
        while block := file.read(BLOCK):
            if not before and block.lstrip()[:1] in (b"[", b"{"):
                limit = MAX_JSON_LINE_BYTES
            if not scan.nul_line and b"\0" in block:
                scan.nul_line = scan.lines + block.count(b"\n", 0, block.index(b"\0")) + 1
            scan.lines += block.count(b"\n")
            scan.quotes = scan.quotes or b'"' in block
            scan.cr += block.count(b"\r")
            scan.crlf += block.count(b"\r\n") + (before.endswith(b"\r") and block.startswith(b"\n"))
            last = max(block.rfind(b"\n"), block.rfind(b"\r"))
            since = len(block) - last - 1 if last >= 0 else since + len(block)
            if since > limit:
                raise FameError(f"{name}: line {scan.lines + 1} is longer than {limit:,} bytes; not a log")
            if scan.utf8 and not block.isascii():
                try:
                    decoder.decode(block)
                except UnicodeDecodeError:
                    scan.utf8 = False
            elif scan.utf8 and decoder.getstate()[0]:
                scan.utf8 = False
            before = block
    scan.utf8 = scan.utf8 and not decoder.getstate()[0]
    return scan


def _two_bytes(head: bytes) -> str:
    """The encoding of text that is not UTF-8 and whose letters beyond ASCII come in pairs of bytes; '' for none.

    A letter of Latin-1 or Windows-1252 mostly stands alone, a word of Windows-1251 has an odd length as often as an
    even one. Chinese of GBK spreads over lead bytes B0 to F7, Korean keeps to B0 to C8, Japanese kana are A4 and A5.
    """
    runs = re.findall(rb"[\x80-\xff]+", head)
    pairs = [run[k] for run in runs for k in range(0, len(run) - 1, 2)]
    if len(pairs) < LEAST_PAIRS or sum(len(run) % 2 == 0 for run in runs) < 0.95 * len(runs):
        return ""
    kana = sum(lead in (0xA4, 0xA5) for lead in pairs)
    if kana > 0.3 * len(pairs):
        return "euc_jp"
    if sum(0xB0 <= lead <= 0xF7 for lead in pairs) < 0.7 * len(pairs):
        return ""
    return "gb18030" if sum(lead > 0xC8 for lead in pairs) > 0.1 * len(pairs) else "euc_kr"


def _decoded(path: Path, name: str, encoding: str, errors: str = "strict") -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    with opened(path) as file:
        try:
            while block := file.read(BLOCK):
                yield decoder.decode(block)
            yield decoder.decode(b"", True)
        except UnicodeError as error:
            raise FameError(f"{name}: not {encoding} ({str(error)[:80]}); give another --encoding") from None


def _by_line(path: Path, told: list[str]) -> Iterator[str]:
    """Lines that are UTF-8 as that, others as Windows-1252; afterwards `told` says which there were."""
    wide = western = upper = high = letters = 0
    with opened(path) as file:
        for line in file:
            try:
                text = line.decode("utf-8")
                wide += not text.isascii()
            except UnicodeDecodeError:
                western += 1
                high += sum(byte >= 0x80 for byte in line)
                letters += sum(65 <= byte & 0xDF <= 90 for byte in line)
                upper += any(0x80 <= byte <= 0x9F for byte in line)
                try:
                    text = line.decode("cp1252")
                except UnicodeDecodeError:
                    text = line.decode("latin-1")
            yield text
    said = "Windows-1252" if upper else "Latin-1"
    if high > letters and not wide:
        said += ", but most letters are beyond ASCII: if names look wrong, say --encoding, such as cp1251 or shift-jis"
    told.append(f"UTF-8, {western:,} lines {said}" if wide else said)


def _rewrite(pieces: Iterator[str], target: Path, name: str) -> _Scan:
    """Writes text as UTF-8 with line feeds, without a mark; counts lines, and the line ends CR that there were."""
    scan, held, first = _Scan(), "", True
    with target.open("wb") as out:
        for piece in pieces:
            text = held + piece
            if first and text:
                text, first = text.removeprefix("\ufeff"), False
            held = "\r" if text.endswith("\r") else ""  # a line feed may follow in the next piece
            text = text.removesuffix("\r") if held else text
            if "\0" in text:
                line = scan.lines + text.count("\n", 0, text.index("\0")) + 1
                raise FameError(f"{name}: line {line} holds binary data; expected text")
            text = text.replace("\r\n", "\n")
            scan.cr += text.count("\r")
            text = text.replace("\r", "\n")
            scan.lines += text.count("\n")
            scan.quotes = scan.quotes or '"' in text
            out.write(text.encode("utf-8", "replace"))
        if held:
            scan.cr += 1
            scan.lines += 1
            out.write(b"\n")
    return scan
