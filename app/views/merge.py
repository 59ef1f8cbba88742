"""Merge."""

from __future__ import annotations

from app import widgets
from app.screen import Screen

__all__ = ["render"]


def render(screen: Screen) -> None:
    widgets.heading("Merge", "")
