"""A bundle from the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path

from fame.bundle.files import FILES, MANIFEST
from fame.errors import FameError

__all__ = ["download"]


def download(repo: str) -> Path:
    """The local copy of the bundle with the Hub id `repo`: its known files alone, fetched where they are not here yet.

    Raises:
        FameError: there is no such model, or the Hub cannot be reached.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError, RepositoryNotFoundError

    try:
        return Path(snapshot_download(repo, allow_patterns=[MANIFEST, *FILES]))
    except RepositoryNotFoundError:
        raise FameError(
            f"no directory {repo!r} is here, and the Hugging Face Hub has no public model of that name; "
            "check the spelling, or log in where it is private"
        ) from None
    except LocalEntryNotFoundError:
        raise FameError(
            f"no directory {repo!r} is here, and the Hugging Face Hub cannot be reached; "
            "connect to the network once, or give the path of a bundle's directory"
        ) from None
    except Exception as error:  # the Hub's errors share no class of their own
        reason = (str(error).splitlines() or [""])[0]
        raise FameError(f"{repo}: the Hugging Face Hub did not answer ({type(error).__name__}: {reason})") from None
