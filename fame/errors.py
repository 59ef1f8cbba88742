"""The one error a user of FAME can cause."""

__all__ = ["FameError"]


class FameError(ValueError):
    """Bad input from outside: one line that says what came, what was expected and what to do."""
