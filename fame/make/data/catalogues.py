"""The catalogue of a log: from an item file, the one given or the one that lies beside, or from the ids alone."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from fame.catalogue import Catalogue
from fame.errors import FameError
from fame.make.data.builder import clean_id
from fame.make.data.dialect import find_dialect
from fame.make.data.engine import Engine, Table, renamed, text_table
from fame.make.data.files import MAX_FACTS_BYTES, check_file, kind_of, read_text, unpacked
from fame.make.data.interactions import Interactions, keep_items
from fame.make.data.items import coverage_of, item_table
from fame.make.data.movielens import film_file, film_table
from fame.make.data.names import KNOWN, plain_name
from fame.make.data.nested import parquet_table
from fame.make.data.objects import is_objects, objects_table
from fame.make.data.options import ReadOptions
from fame.make.data.plain import plain_text
from fame.make.data.report import Coverage
from fame.make.data.sources import ITEM_FILES, Source, data_file, expanded

__all__ = ["catalogue_of", "untyped"]

ATTRIBUTES = "attributes"
MAX_ITEM_ROWS = 10_000_000


def catalogue_of(
    run: Engine,
    source: Source,
    known: str,
    interactions: Interactions,
    options: ReadOptions,
    item_column: str | None,
    notes: list[str],
) -> tuple[Catalogue, Interactions, tuple[Coverage, ...]]:
    """The catalogue, the interactions with its items, and how the two met. What there is to know joins `notes`.

    known: movielens or recbole where the log is that, whose item file is looked for.
    item_column: the log's item column, where it has a name.

    Raises:
        FameError: a file is not as it should be, or has no item of the log.
    """
    given = options.items is not None
    file = expanded(options.items) if options.items is not None else _beside(source, known)
    coverage: tuple[Coverage, ...] = ()
    if file is None:
        table = pd.DataFrame({"item_id": list(interactions.items)})
    else:
        table = _items(run, file, known, interactions, options.item or item_column, notes)
        met = coverage_of(file.name, interactions, frozenset(table["item_id"]), given and options.only_items)
        if met.missing == met.items and given:
            hint = f" ({met.hint})" if met.hint else ""
            raise FameError(
                f"{file}: no item of the log is in it: the log has ids like {interactions.items[0]!r}, "
                f"the file ids like {table['item_id'].iloc[0]!r}{hint}"
            )
        coverage = (met,)
        if given and options.only_items:
            interactions = keep_items(interactions, table["item_id"])
        else:
            table = _with_rest(table, interactions.items, seen_only=not given)
    if options.attributes is not None:
        _add_attributes(table, expanded(options.attributes))
    return Catalogue.from_frame(table), interactions, coverage


def _beside(source: Source, known: str) -> Path | None:
    """The item file that belongs to a known data set."""
    if known == "movielens":
        return film_file(source.folder)
    if known != "recbole":
        return None
    stem = re.sub(r"(\.(train|valid|test))?\.inter(\.\w+)?$", "", source.files[0][0], flags=re.IGNORECASE)
    own = Path(f"{stem}.item")
    found = [own] if own.is_file() else sorted(p for p in source.folder.iterdir() if p.suffix.lower() == ".item")
    return found[0] if len(found) == 1 else None


def _items(
    run: Engine, path: Path, known: str, interactions: Interactions, id_column: str | None, notes: list[str]
) -> pd.DataFrame:
    """An item file as a table for `Catalogue.from_frame`."""
    table = _opened(run, path, known, notes)
    if isinstance(table, pd.DataFrame):
        return table
    if known == "recbole" and all(":" in n for n in table.names):
        table = _without_decimals(table, path)
    rows = run.sample(table, MAX_ITEM_ROWS)
    count, example = run.rejects()
    if count:
        notes.append(f"{path.name}: {count:,} rows do not fit the columns and are left out, such as {example}")
    if not rows:
        raise FameError(f"{path}: the file has no rows; expected a header and one row per item")
    made, said = item_table(path.name, table.names, rows, frozenset(interactions.items), id_column)
    notes += said
    return made


def _opened(run: Engine, path: Path, known: str, notes: list[str]) -> Table | pd.DataFrame:
    check_file(path, MAX_FACTS_BYTES)
    folder = run.folder / "items"
    folder.mkdir()
    kind, inside = kind_of(path), path
    if kind not in ("text", "parquet"):
        members = unpacked(path, kind, folder / "unpacked")
        inside = item_member(path, members)
        kind = kind_of(inside)
    if kind == "parquet":
        return parquet_table(run, path.name, [(path.name, inside)])
    plain = plain_text(inside, str(path), folder)
    if plain.told:
        notes.append(f"{path.name}: read as {', '.join(plain.told)}")
    if known == "movielens" and (films := film_table(path, plain)) is not None:
        return films
    if is_objects(plain):
        return objects_table(run, path.name, [(path.name, plain)], items=True)
    dialect = find_dialect(str(path), plain.head, plain.whole)
    if not dialect.uniform and (alone := ids_alone(plain.head)):
        dialect = replace(
            dialect, skip=plain.head.split("\n").index(alone) + 1, names=(alone,), header=True, uniform=True
        )
    if not dialect.uniform:
        raise FameError(
            f"{path}: its lines differ in their fields; expected a table, a row per item with an id and a title"
        )
    return text_table(run, path.name, [(path.name, plain, dialect)])


def item_member(path: Path, members: Sequence[Path]) -> Path:
    """The one file of an archive that holds items.

    Raises:
        FameError: there are several, or none.
    """
    data = [m for m in members if data_file(m)]
    called = [m for m in data if m.name.lower().partition(".")[0] in ITEM_FILES]
    for found in (members, data, called):
        if len(found) == 1:
            return found[0]
    raise FameError(f"{path}: an archive of {len(members):,} files; unpack it and give the item file")


def ids_alone(head: str) -> str:
    """The header of a file that has ids of items and nothing else; '' for any other."""
    lines = [line for line in head.split("\n") if line]
    alone = bool(lines) and not any(re.search(r"[\s,;|]", line) for line in lines)
    return lines[0] if alone and KNOWN.get(plain_name(lines[0])) == "item" else ""


def untyped(path: Path, field: str) -> str:
    types = ("token", "token_seq", "float", "float_seq")
    name, _, type_ = field.rpartition(":")
    if not name or type_ not in types:
        raise FameError(f"{path}: line 1 has {field[:50]!r}; expected name:type, a type of {', '.join(types)}")
    return name


def _without_decimals(table: Table, path: Path) -> Table:
    """RecBole's item table with plain names; lists of tokens stand between blanks, and decimals group nothing."""
    keep = [k for k, n in enumerate(table.names) if n.endswith((":token", ":token_seq"))]
    names = [untyped(path, table.names[k]) for k in keep]
    titles = ("movie_title", "title", "item_title", "name")
    shown = [
        f"replace(c{k}, ' ', '|') AS c{j}"
        if table.names[k].endswith(":token_seq") and n not in titles
        else f"c{k} AS c{j}"
        for j, (k, n) in enumerate(zip(keep, names, strict=True))
    ]
    parts = tuple(replace(p, sql=f"SELECT {', '.join(shown)} FROM ({p.sql})") for p in table.parts)
    return renamed(replace(table, columns=tuple(table.columns[k] for k in keep), parts=parts), names)


def _with_rest(table: pd.DataFrame, seen: pd.Index[str], seen_only: bool) -> pd.DataFrame:
    """The item file's rows in its order, then items of the log that it lacks."""
    if seen_only:
        table = table[table["item_id"].isin(seen)]
    rest = seen[~seen.isin(table["item_id"])]
    if not len(rest):
        return table.reset_index(drop=True)
    return pd.concat([table.astype(object), pd.DataFrame({"item_id": list(rest)}, dtype=object)], ignore_index=True)


def _add_attributes(table: pd.DataFrame, path: Path) -> None:
    values = _read_attributes(check_file(path))
    if not values.keys() & set(table["item_id"]):
        ours, theirs = table["item_id"].iloc[0], next(iter(values), "")
        raise FameError(
            f"{path}: none of its items, such as {theirs[:50]!r}, is in the log; expected ids like {ours!r}"
        )
    table[ATTRIBUTES] = [values.get(item_id, []) for item_id in table["item_id"]]


def _read_attributes(path: Path) -> dict[str, list[str]]:
    expected = 'expected {"item": [attribute, …], …}'
    text = read_text(path)
    try:
        table = json.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError itself: a number of thousands of digits
        raise FameError(f"{path}: not JSON ({error}); {expected}") from None
    if not isinstance(table, dict):
        raise FameError(f"{path}: holds a {type(table).__name__}; {expected}")
    for item, values in table.items():
        if not isinstance(values, list) or not all(type(v) in (int, str) for v in values):
            raise FameError(f"{path}: item {item[:50]!r} has {str(values)[:50]}; {expected}")
    return {clean_id(item): list(map(str, values)) for item, values in table.items()}
