"""Opening files from outside: present, of a sane size, decodable, with lines of a sane length."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from fame.errors import FameError

__all__ = ["check_file", "lines", "open_bytes", "read_text"]

GIB = 1 << 30
MAX_FILE_BYTES = 64 * GIB
MAX_UNPACKED_BYTES = 64 * GIB
MAX_UNPACKED_RATIO = 200  # logs compress 3 to 30 times, a zip bomb about 1000 times
MAX_LINE_BYTES = 16 << 20
MAX_FACTS_BYTES = GIB  # a file that is read whole: item facts


def check_file(path: str | Path, limit: int = MAX_FILE_BYTES) -> Path:
    """`path`, if it is a file with something in it and not above `limit` bytes.

    Raises:
        FameError: it is not.
    """
    path = Path(path)
    try:
        if not path.exists():
            raise FameError(f"{path}: no such file; check the path")
        if not path.is_file():
            raise FameError(f"{path}: not a file; give the path of the file itself")
        size = path.stat().st_size
    except OSError as error:
        raise FameError(f"{path}: cannot be opened ({error.strerror})") from None
    if size == 0:
        raise FameError(f"{path}: the file is empty")
    if size > limit:
        raise FameError(f"{path}: {size:,} bytes; the limit is {limit:,}, use a smaller file")
    return path


def open_bytes(path: Path) -> IO[bytes]:
    """The bytes of a checked file; '.gz' is unpacked on the way, up to a limit."""
    try:
        if path.suffix == ".gz":
            return io.BufferedReader(_Unpacked(path), 1 << 20)
        return path.open("rb", 1 << 20)
    except OSError as error:
        raise FameError(f"{path}: cannot be opened ({error.strerror})") from None


def lines(path: Path, latin1: bool = False) -> Iterator[tuple[int, str]]:
    """Number (from 1) and text of each line that is not blank, without its end.

    latin1: a line that is not UTF-8 is read as Latin-1 (MovieLens' item files), not refused.

    Raises:
        FameError: a line is too long or in another encoding, or the file is damaged.
    """
    with open_bytes(path) as file:
        number = 0
        while line := file.readline(MAX_LINE_BYTES + 1):
            number += 1
            if len(line) > MAX_LINE_BYTES:
                raise FameError(f"{path}: line {number} is longer than {MAX_LINE_BYTES:,} bytes; not a log")
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            text = _decode(line, path, number, latin1).rstrip("\r\n")
            if text.strip():
                yield number, text


def read_text(path: Path) -> str:
    """The whole of a checked file of item facts, UTF-8.

    Raises:
        FameError: it is too large, damaged or in another encoding.
    """
    check_file(path, MAX_FACTS_BYTES)
    with open_bytes(path) as file:
        data = file.read(MAX_FACTS_BYTES + 1)
    if len(data) > MAX_FACTS_BYTES:
        raise FameError(f"{path}: more than {MAX_FACTS_BYTES:,} bytes unpacked; use a smaller file")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start) + 1
        raise _not_utf8(path, number, data[error.start]) from None


def _decode(line: bytes, path: Path, number: int, latin1: bool) -> str:
    if b"\0" in line:
        raise FameError(f"{path}: line {number} holds binary data; expected UTF-8 text")
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        if latin1:
            return line.decode("latin-1")
        raise _not_utf8(path, number, line[error.start]) from None


def _not_utf8(path: Path, number: int, byte: int) -> FameError:
    return FameError(f"{path}: line {number} is not UTF-8 (byte 0x{byte:02x}); save the file as UTF-8")


class _Unpacked(io.RawIOBase):
    """A gzip file as raw bytes, refusing to grow beyond what an honest log could."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._gzip = gzip.GzipFile(path, "rb")
        self._left = min(MAX_UNPACKED_BYTES, MAX_UNPACKED_RATIO * path.stat().st_size + (1 << 20))

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._gzip.read(len(buffer))
        except (OSError, EOFError, zlib.error) as error:
            raise FameError(f"{self._path}: damaged or cut-off gzip file ({error}); fetch it again") from None
        self._left -= len(data)
        if self._left < 0:
            raise FameError(f"{self._path}: unpacks to far more than a log would; refused")
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._gzip.close()
        super().close()
