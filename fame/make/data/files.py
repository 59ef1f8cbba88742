"""Files from outside, at the door: present, of a sane size, what they say they are, and unpacked within limits."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any

import pyarrow as pa

from fame.errors import FameError

__all__ = ["check_file", "kind_of", "read_text", "unpacked"]

GIB = 1 << 30
MAX_FILE_BYTES = 64 * GIB
MAX_UNPACKED_BYTES = 64 * GIB
MAX_UNPACKED_RATIO = 200  # logs compress 3 to 30 times, a zip bomb about 1000 times
MAX_MEMBERS = 10_000
MAX_FACTS_BYTES = GIB  # a file that is read whole: item facts
BLOCK = 1 << 20

# How files begin that are read: unpacked on the way, or as a table of Parquet.
_PACKED = {
    b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\0": "xz", b"\x5d\0\0": "lzma", b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "zip",
}  # fmt: skip
# How files begin that are no log, and what they are.
_STRANGE = (
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself; fetch it with `git lfs pull`"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"BM\x00", "a BMP image"),
    (b"RIFF", "an image or a sound (RIFF)"),
    (b"II*\0", "a TIFF image"),
    (b"%PDF", "a PDF document"),
    (b"{\\rtf", "an RTF document; save it as CSV"),
    (b"\xd0\xcf\x11\xe0", "an old Excel or Office file; save it as CSV"),
    (b"SQLite format 3", "an SQLite database; export the table as CSV"),
    (b"\x89HDF", "an HDF5 file; export the table as Parquet"),
    (b"ORC", "an ORC file; export the table as Parquet"),
    (b"Obj\x01", "an Avro file; export the table as Parquet"),
    (b"ARROW1", "an Arrow (Feather) file; save it as Parquet"),
    (b"FEA1", "a Feather file; save it as Parquet"),
    (b"\x93NUMPY", "a NumPy array; save the table as CSV"),
    (b"\x80\x02", "a Python pickle, which is never read; save the table as Parquet"),
    (b"\x80\x03", "a Python pickle, which is never read; save the table as Parquet"),
    (b"\x80\x04", "a Python pickle, which is never read; save the table as Parquet"),
    (b"\x80\x05", "a Python pickle, which is never read; save the table as Parquet"),
    (b"MATLAB 5.0", "a MATLAB file; save the table as CSV"),
    (b"RDX", "an R data file; save the table as CSV"),
    (b"X\n\0\0\0", "an R data file; save the table as CSV"),
    (b"%%MatrixMarket", "a Matrix Market file; save its rows and columns as user,item in a CSV"),
    (b"@relation", "an ARFF file; save the table as CSV"),
    (b"@RELATION", "an ARFF file; save the table as CSV"),
    (b"-- MySQL dump", "a dump of a database; export the table as CSV"),
    (b"-- PostgreSQL database dump", "a dump of a database; export the table as CSV"),
    (b"CREATE TABLE", "a dump of a database; export the table as CSV"),
    (b"INSERT INTO", "a dump of a database; export the table as CSV"),
    (b"/annex/objects/", "a git-annex pointer, not the file itself; fetch it with `git annex get`"),
    (b"PK\x07\x08", "a part of a zip archive in several parts; unpack all of them first"),
    (b"ID3", "a sound file (MP3)"),
    (b"OggS", "a sound file (Ogg)"),
    (b"\0\0\1\0", "an icon"),
    (b"\0asm", "a program"),
    (b"7z\xbc\xaf", "a 7-Zip archive; unpack it first"),
    (b"Rar!", "a RAR archive; unpack it first"),
    (b"\x1f\x9d", "a compress (.Z) file; unpack it first"),
    (b"\x04\x22\x4d\x18", "an LZ4 file; unpack it first"),
    (b"\xff\x06\x00\x00sNaPpY", "a Snappy file; unpack it first"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"\x7fELF", "a program"),
    (b"MZ\x90", "a program"),
    (b"-----BEGIN", "a key or a certificate"),
)  # fmt: skip


def check_file(path: str | Path, limit: int = MAX_FILE_BYTES) -> Path:
    """`path`, if it is a file with something in it and not above `limit` bytes.

    Raises:
        FameError: it is not.
    """
    path = Path(path)
    if "\0" in str(path):
        raise FameError(f"{str(path)[:80]!r}: no name of a file; check the path")
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


def kind_of(path: Path) -> str:
    """What a checked file is by its first bytes: gzip, bzip2, xz, zstd, zip, tar, parquet or text.

    Raises:
        FameError: it is something that is no log, told by name, or holds nothing but space.
    """
    with opened(path) as file:
        head = file.read(4096)
    if head.startswith(b"PAR1"):
        return "parquet"
    for start, kind in _PACKED.items():
        if head.startswith(start):
            return kind
    if head[257:262] == b"ustar":
        return "tar"
    for start, what in _STRANGE:
        if head.startswith(start):
            raise FameError(f"{path}: this is {what}; expected a log: a table, JSON or sequences")
    if head[4:8] == b"ftyp":
        raise FameError(f"{path}: this is a picture or a film; expected a log: a table, JSON or sequences")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        head = head[2:].replace(b"\0", b"")  # UTF-16: enough to know markup by
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if re.match(
        rb"(<!--.*?-->\s*)?<(!doctype html|(html|head|body|script|table|div|p|span|h1|form)[\s>])", text, re.DOTALL
    ):
        title = re.search(rb"<title[^>]*>([^<]{1,200})", head, re.IGNORECASE)
        shown = f", {' '.join(title[1].decode('latin-1').split())[:60]!r}" if title else ""
        raise FameError(
            f"{path}: this is an HTML page{shown}, perhaps what a site shows in place of a download; fetch the log anew"
        )
    if re.match(rb"<\?xml|<!doctype|<[a-z][\w:.-]*(\s[^<>]*)?>.*</", text, re.DOTALL):
        raise FameError(f"{path}: this is XML, perhaps a server's error message; expected a log")
    if not text and path.stat().st_size <= len(head):
        raise FameError(f"{path}: the file holds nothing but blank space")
    return "text"


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """The bytes of a file."""
    try:
        file = path.open("rb", BLOCK)
    except OSError as error:
        raise FameError(f"{path}: cannot be read ({error.strerror or error})") from None
    with file:
        yield file


def unpacked(path: Path, kind: str, folder: Path) -> list[Path]:
    """The files that a packed file holds, written into the new folder `folder` under names of their own.

    Raises:
        FameError: damaged, cut off, encrypted, no archive of logs, or above the limits.
    """
    folder.mkdir(parents=True)
    budget = _Budget(path)
    try:
        if kind == "zip":
            found = _from_zip(path, folder, budget)
        elif kind == "tar":
            found = _from_tar(path, folder, budget)
        else:
            target = folder / (_plain_name(path.name) or "log")
            with opened(path) as raw, _stream(raw, kind) as stream:
                budget.copy(stream, target)
            found = [target]
    except (
        OSError,
        EOFError,
        zlib.error,
        lzma.LZMAError,
        tarfile.TarError,
        zipfile.BadZipFile,
        pa.ArrowException,
    ) as e:
        raise FameError(f"{path}: damaged or cut-off {kind} file ({str(e)[:120]}); fetch it again") from None
    except (NotImplementedError, RuntimeError) as error:
        raise FameError(
            f"{path}: a zip file that cannot be unpacked here ({str(error)[:120]}); unpack it first"
        ) from None
    if not found:
        raise FameError(f"{path}: the {kind} archive holds no files")
    return found


def read_text(path: Path) -> str:
    """The whole of a checked file of item facts, UTF-8, plain or packed by itself.

    Raises:
        FameError: it is too large, damaged or in another encoding.
    """
    check_file(path, MAX_FACTS_BYTES)
    kind = kind_of(path)
    with opened(path) as raw:
        try:
            with _stream(raw, kind) as stream:
                data = stream.read(MAX_FACTS_BYTES + 1)
        except (OSError, EOFError, zlib.error, lzma.LZMAError, pa.ArrowException) as error:
            raise FameError(f"{path}: damaged or cut-off {kind} file ({str(error)[:120]}); fetch it again") from None
    if len(data) > MAX_FACTS_BYTES:
        raise FameError(f"{path}: more than {MAX_FACTS_BYTES:,} bytes unpacked; use a smaller file")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start) + 1
        raise FameError(
            f"{path}: line {number} is not UTF-8 (byte 0x{data[error.start]:02x}); save the file as UTF-8"
        ) from None


def _plain_name(name: str) -> str:
    return re.sub(r"\.(gz|gzip|bz2|xz|zst|zstd)$", "", name, flags=re.IGNORECASE)


def _stream(raw: IO[bytes], kind: str) -> Any:
    if kind == "gzip":
        return gzip.GzipFile(fileobj=raw)
    if kind == "bzip2":
        return bz2.BZ2File(raw)
    if kind in ("xz", "lzma"):
        return lzma.LZMAFile(raw)
    if kind == "zstd":
        return pa.CompressedInputStream(pa.PythonFile(raw, "r"), "zstd")
    return raw


class _Budget:
    """Refuses to unpack more than an honest log could."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.left = min(MAX_UNPACKED_BYTES, MAX_UNPACKED_RATIO * path.stat().st_size + BLOCK)

    def copy(self, source: Any, target: Path) -> None:
        with target.open("wb") as out:
            while block := source.read(BLOCK):
                self.left -= len(block)
                if self.left < 0:
                    raise FameError(f"{self.path}: unpacks to far more than a log would; refused")
                out.write(block)


def _wanted(name: str) -> PurePosixPath | None:
    """A member's name inside the folder; None for what is no data."""
    path = PurePosixPath(name.replace("\\", "/"))
    parts = [p for p in path.parts if p not in ("/", "..", ".") and not p.endswith(":")]
    if not parts or parts[0] == "__MACOSX" or any(p.startswith((".", "_SUCCESS")) for p in parts):
        return None
    return PurePosixPath(*parts)


def _from_zip(path: Path, folder: Path, budget: _Budget) -> list[Path]:
    found = []
    with zipfile.ZipFile(path) as archive:
        members = [m for m in archive.infolist() if not m.is_dir()]
        if any(m.filename == "[Content_Types].xml" for m in members):
            raise FameError(f"{path}: this is an Excel or Office file; save the sheet as CSV")
        if any(m.filename == "mimetype" for m in members):
            raise FameError(f"{path}: this is an OpenDocument file; save the sheet as CSV")
        if members and all(m.filename.endswith(".npy") for m in members):
            raise FameError(f"{path}: this is a NumPy archive; save the table as CSV")
        if any(m.filename.endswith("/data.pkl") for m in members):
            raise FameError(f"{path}: this is a PyTorch file, which is never read as a log; save the table as Parquet")
        _check_members(path, len(members))
        for member in members:
            if (name := _wanted(member.filename)) is None:
                continue
            if member.flag_bits & 1:
                raise FameError(f"{path}: an encrypted zip file; unpack it first")
            with archive.open(member) as source:
                found.append(_keep(source, folder, name, budget))
    return found


def _from_tar(path: Path, folder: Path, budget: _Budget) -> list[Path]:
    found: list[Path] = []
    with tarfile.open(path, "r:") as archive:
        for count, member in enumerate(archive, 1):
            _check_members(path, count)
            if member.isfile() and (name := _wanted(member.name)) is not None:
                found.append(_keep(archive.extractfile(member), folder, name, budget))
    return found


def _check_members(path: Path, count: int) -> None:
    if count > MAX_MEMBERS:
        raise FameError(f"{path}: an archive of more than {MAX_MEMBERS:,} files; unpack what is wanted")


def _keep(source: Any, folder: Path, name: PurePosixPath, budget: _Budget) -> Path:
    target = folder / name
    if target.exists():
        raise FameError(f"{budget.path}: the archive holds {str(name)[:80]!r} twice; unpack it first")
    target.parent.mkdir(parents=True, exist_ok=True)
    budget.copy(source, target)
    return target
