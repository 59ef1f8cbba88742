"""The one error a user of FAME can cause."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["FameError", "Undecided"]


class FameError(ValueError):
    """Bad input from outside: one line that says what came, what was expected and what to do."""


class Undecided(FameError):
    """Input that can be read in several ways: a person may be asked which.

    question: without its mark.   choices: what each answer is in words -> the settings that it stands for.
    """

    def __init__(self, message: str, question: str, choices: Mapping[str, Mapping[str, Any]]):
        super().__init__(message)
        self.question, self.choices = question, choices
