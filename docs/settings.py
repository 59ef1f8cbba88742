"""Writes docs/settings.md: every setting of a recipe, from the tables that check them. `python docs/settings.py`"""

from __future__ import annotations

from dataclasses import MISSING
from pathlib import Path
from typing import Any

from fame.make.recipe import every_setting
from fame.settings import Setting

PAGE = Path(__file__).with_suffix(".md")
INTRODUCTION = """\
# Settings

All that a recipe, a TOML file like those in [recipes/](../recipes), can say. On the command line each setting goes
before the recipe's by its full name:

```
fame train recipes/ml-1m.toml model.n_heads=2 training.epochs=5
fame train --data csv:log.csv --out artifacts/mine guidance.heads=genres guidance.sup=0.1
```

Several texts or numbers have commas between them there (`comparison.seeds=0,1,2`), and in a recipe stand in brackets
(`seeds = [0, 1, 2]`). Paths are relative to the folder of the recipe, or to the working folder on the command line; `~`
is the home folder. `[comparison.model]` and `[comparison.training]` take the settings of `[model]` and `[training]`;
what they do not say is as the recipe has it, but that the variant is sasrec.

This page is made by `python docs/settings.py`.
"""


def page() -> str:
    """The page, Markdown."""
    shown = [
        s for s in every_setting().values() if not s.name.startswith(("comparison.model.", "comparison.training."))
    ]
    tables: dict[str, list[str]] = {}
    for setting in shown:
        tables.setdefault(setting.name.rpartition(".")[0], []).append(row(setting))
    parts = [INTRODUCTION]
    for table, rows in tables.items():
        heading = f"## [{table}]" if table else "## Before the tables"
        parts.append(
            "\n".join([heading, "", "| setting | what it takes | default | |", "|---|---|---|---|", *rows]) + "\n"
        )
    return "\n".join(parts)


def row(setting: Setting) -> str:
    """A line of a table."""
    name = setting.name.rpartition(".")[2]
    expected = setting.expected.replace(", below 2³²", "")
    cells = [f"`{name}`", expected, default(setting.default), setting.description]
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def default(value: Any) -> str:
    """A default as TOML writes it; empty where there is none, and where it is empty."""
    if value is MISSING:
        return "must be given"
    if value is None or value == "":
        return ""
    if isinstance(value, tuple):
        return f"`{list(value)}`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
