"""Film titles as the MovieLens files write them, brought to the way people say them."""

from __future__ import annotations

import re

__all__ = ["parse_title"]

# A year, a span of years or an open span, at the end: (1999), (2006–2007), (1975-).
_YEAR = re.compile(r"\s*\((\d{4})(?:\s*[-–]\s*(?:\d{4})?)?\)\s*$")
_ARTICLES = "The|An|A|Les|Le|La|L'|El|Los|Las|Il|Lo|Gli|Der|Die|Das|Den|Det|Un|Une"
_ARTICLE = re.compile(rf"^(?P<also>a\.k\.a\.\s+)?(?P<name>[^()]+), (?P<article>{_ARTICLES})$")
_PART = re.compile(r"\(([^()]*)\)")


def parse_title(text: str) -> tuple[str, int | None]:
    """Title and year of a text like 'Matrix, The (1999)': ('The Matrix', 1999).

    Other titles in brackets stay and get the same care: 'City of Lost Children, The (Cité des enfants perdus,
    La) (1995)' is 'The City of Lost Children (La Cité des enfants perdus)'. No year gives None.
    """
    text = " ".join(text.split())
    year = None
    if found := _YEAR.search(text):
        text, year = text[: found.start()], int(found.group(1)) or None
    name, bracket, rest = text.partition(" (")
    rest = _PART.sub(lambda part: f"({_article_first(part.group(1))})", bracket + rest)
    return _article_first(name) + rest, year


def _article_first(name: str) -> str:
    found = _ARTICLE.match(name)
    if not found:
        return name
    article = found["article"]
    return f"{found['also'] or ''}{article}{'' if article.endswith(chr(39)) else ' '}{found['name']}"
