"""What a path is: one file, a glob, a folder or an archive of parts, a known data set's folder."""

from __future__ import annotations

import glob
import re
from dataclasses import dataclass, replace
from pathlib import Path

from fame.errors import FameError
from fame.make.data.files import MAX_MEMBERS, check_file, kind_of, unpacked
from fame.make.data.report import names_shown

__all__ = ["ITEM_FILES", "Source", "data_file", "expanded", "find_sources"]

DATA = frozenset(
    [
        "csv",
        "tsv",
        "txt",
        "dat",
        "data",
        "json",
        "jsonl",
        "ndjson",
        "parquet",
        "pq",
        "inter",
        "log",
        "tab",
        "psv",
        "out",
        "edges",
        "test",
        "train",
    ]
)
PACKED = frozenset(["gz", "gzip", "bz2", "xz", "zst", "zstd", "zip", "tar", "tgz"])
INTER = r"\.inter(\.(gz|bz2|xz|zst))?$"
ITEM_FILES = frozenset(["movies", "books", "items", "item", "artists", "products", "articles", "news", "info"])
NOT_LOGS = ITEM_FILES | frozenset(
    [
        "users",
        "user",
        "links",
        "tags",
        "genome-scores",
        "genome-tags",
        "readme",
        "license",
        "customers",
        "aisles",
        "departments",
        "genre",
        "occupation",
    ]
)
LOGS = [
    "ratings",
    "interactions",
    "events",
    "clicks",
    "log",
    "transactions_train",
    "transactions",
    "behaviors",
    "user_artists",
    "reviews",
    "train-item-views",
    "order_products__prior",
    "big_matrix",
]
LOG_WORDS = ["ratings", "ratedmovies", "interactions", "events", "clicks", "transactions", "checkins", "plays"]


@dataclass(frozen=True)
class Source:
    """Files that are one table.   files: what each is called, where it lies unpacked, and its kind: text or parquet.

    form: movielens or recbole where that was recognised, else ''.   told: how it was packed.
    folder: where the files that belong to it lie.   notes: which of several files were taken.
    """

    files: tuple[tuple[str, Path, str], ...]
    form: str
    told: tuple[str, ...]
    folder: Path
    notes: tuple[str, ...] = ()


def expanded(path: str | Path) -> Path:
    """The path with `~` as the home folder.

    Raises:
        FameError: no such user.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise FameError(f"{path}: there is no such home folder; write the path out") from None


def find_sources(path: Path, work: Path, form: str = "auto") -> Source:
    """The files of a log at `path`, unpacked into `work`.

    Raises:
        FameError: nothing is there, it is something else than a log, or several logs that are no parts of one.
    """
    text = str(path)
    if not path.exists() and any(c in text for c in "*?["):
        names = sorted(map(Path, glob.glob(text, recursive=True)), key=_natural)
        if not names:
            raise FameError(f"{path}: no file has a name like this; check the pattern")
        return _opened(_data_files([n for n in names if n.is_file()], path), work, "", names[0].parent)
    if path.is_dir():
        return _folder(path, work, form)
    check_file(path)
    kind = kind_of(path)
    if kind in ("zip", "tar"):
        folder = work / "archive"
        found = unpacked(path, kind, folder)
        if len(found) == 1:
            inner = _opened(found, work, _form_of(found[0]), found[0].parent)
        else:
            try:
                inner = _folder(folder, work, form)
            except FameError as error:  # the folder is ours alone
                said = str(error).replace(str(folder), path.name).partition("; give the file itself")[0]
                raise FameError(f"{path}: {said}; unpack it and give the log itself") from None
        return replace(inner, told=(kind, *inner.told))
    return _opened([path], work, _form_of(path), path.parent)


def _form_of(path: Path) -> str:
    name = path.name.lower()
    if re.search(INTER, name):
        return "recbole"
    return (
        "movielens"
        if re.fullmatch(r"(u\.data|ratings\.(dat|csv))(\.(gz|bz2|xz|zst))?", name) and _films_beside(path)
        else ""
    )


def _films_beside(path: Path) -> bool:
    return path.name.lower().startswith("u.data") or any(
        (path.parent / n).is_file() for n in ("movies.dat", "movies.csv")
    )


def _natural(path: Path) -> list[tuple[int, int | str]]:
    return [(0, int(p)) if p.isdigit() else (1, p) for p in re.split(r"(\d+)", str(path)) if p]


def _folder(path: Path, work: Path, form: str) -> Source:
    """A folder: a known data set, parts of one log, or one log among other files."""
    inner = [path, *sorted(p for p in path.iterdir() if p.is_dir() and not p.name.startswith((".", "_")))]
    for place in inner:
        logs = sorted(p for p in place.iterdir() if re.search(INTER, p.name, re.IGNORECASE))
        if logs and form in ("auto", "recbole"):
            splits = [p for word in ("train", "valid", "test") for p in logs if f".{word}." in p.name.lower()]
            if len(splits) == len(logs) == len({p.name.lower().split(".")[-2] for p in logs}):
                return _opened(splits, work, "recbole", place)
            if len(logs) > 1:
                shown = names_shown([p.name for p in logs])
                raise FameError(f"{place}: found .inter files: {shown}; expected one, or give the file itself")
            return _opened(logs, work, "recbole", place)
        for name in ("u.data", "ratings.dat", "ratings.csv"):
            if (
                (place / name).is_file()
                and form in ("auto", "movielens")
                and (form == "movielens" or _films_beside(place / name))
            ):
                return _opened([place / name], work, "movielens", place)
    if form == "recbole":
        raise FameError(f"{path}: found .inter files: none; expected one, or give the file itself")
    if form == "movielens":
        raise FameError(f"{path}: holds no MovieLens log; expected u.data, ratings.dat or ratings.csv")
    files = sorted((p for p in path.rglob("*") if p.is_file() and not _hidden(p, path)), key=_natural)
    if len(files) > MAX_MEMBERS:
        raise FameError(f"{path}: more than {MAX_MEMBERS:,} files; give those that are wanted, like '{path}/*.csv'")
    chosen = _data_files(files, path)
    source = _opened(chosen, work, "", path)
    others = sum(map(data_file, files)) - len(chosen)
    if not others:
        return source
    which = chosen[0].name if len(chosen) == 1 else f"{chosen[0].name} and others called alike"
    return replace(source, notes=(f"of {others + len(chosen)} files {which} is read",))


def _hidden(path: Path, root: Path) -> bool:
    return any(p.startswith((".", "_")) or p == "__MACOSX" for p in path.relative_to(root).parts)


def data_file(path: Path) -> bool:
    """Whether a file is called like data, and has any."""
    return path.stat().st_size > 0 and bool(_endings(path) & (DATA | PACKED) or "." not in path.name)


def _data_files(files: list[Path], path: Path) -> list[Path]:
    """The parts of one log among files; a known name goes before others.

    Raises:
        FameError: none, or several different ones.
    """
    data = list(filter(data_file, files))
    if not data:
        raise FameError(f"{path}: holds no data; expected a log, or parts of one, such as .csv, .json or .parquet")
    groups: dict[str, list[Path]] = {}
    for f in data:
        name = re.sub(rf"(\.({'|'.join(PACKED)}))+$", "", f.name.lower())
        stem = re.sub(r"[-_.]?(part|c\d{3}|[0-9a-f]{8}-[0-9a-f-]{20,}|\d+)+", "#", name)
        groups.setdefault("parts" if f.name.lower().startswith("part-") else stem, []).append(f)
    if len(groups) == 1:
        return next(iter(groups.values()))
    likely = {k: g for k, g in groups.items() if _stem(g[0]) not in NOT_LOGS}
    for name in LOGS:
        if len(found := [g for g in likely.values() if _stem(g[0]) == name or g[0].name.lower() == name]) == 1:
            return found[0]
    for word in LOG_WORDS:
        if len(found := [g for g in likely.values() if word in re.split(r"[-_ ]", _stem(g[0]))]) == 1:
            return found[0]
    if len(likely) == 1:
        return next(iter(likely.values()))
    heads = {_first_line(f) for f in data}
    if len(heads) == 1 and None not in heads:
        return data
    shown = names_shown(sorted(g[0].name for g in groups.values())[:8])
    raise FameError(f"{path}: holds {shown}; give the file itself, or a pattern like '{path}/*.csv'")


def _endings(path: Path) -> set[str]:
    return {s.lstrip(".").lower() for s in path.suffixes}


def _stem(path: Path) -> str:
    return path.name.lower().partition(".")[0]


def _first_line(path: Path) -> bytes | None:
    with path.open("rb") as file:
        line = file.readline(4096).removeprefix(b"\xef\xbb\xbf").strip()
    return line if re.search(rb"[A-Za-z]", line) else None


def _opened(files: list[Path], work: Path, form: str, folder: Path) -> Source:
    """Files unpacked where they are packed, each known by its kind."""
    found, told = [], []
    for number, path in enumerate(files):
        check_file(path)
        kind = kind_of(path)
        name, depth = str(path), 0
        while kind not in ("text", "parquet"):
            if (kind in ("zip", "tar") and len(files) > 1) or depth > 3:
                raise FameError(f"{path}: a {kind} archive among other files; unpack it first")
            told.append(kind)
            members = unpacked(path, kind, work / f"packed-{number}-{depth}")
            if len(members) > 1:
                inner = _folder(work / f"packed-{number}-{depth}", work, "auto")
                return replace(inner, told=(*told, *inner.told))
            path, depth = check_file(members[0]), depth + 1
            kind = kind_of(path)
        found.append((name, path, kind))
    if len({kind for *_, kind in found}) > 1:
        raise FameError(f"{folder}: holds both text and Parquet; give a pattern like '{folder}/*.parquet'")
    said = tuple(dict.fromkeys(told))
    if len(found) > 1:
        said = (f"{len(found):,} parts", *said)
    return Source(tuple(found), form, said, folder)
