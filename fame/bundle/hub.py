"""A bundle from the Hugging Face Hub, and to it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from fame.bundle.files import CARD, FILES, MANIFEST
from fame.errors import FameError

if TYPE_CHECKING:
    from fame.bundle.bundle import Bundle

__all__ = ["download", "upload"]

REPO = re.compile(r"\w[\w.-]{0,95}/\w[\w.-]{0,95}")
TASK = "other"  # the Hub has no task of its own for recommenders


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


def hub_card(card: str, repo: str) -> str:
    """A bundle's card as the Hub shows it: its header says library and task, its lines of Python open it from there."""
    from huggingface_hub import ModelCard

    made = ModelCard(card, ignore_metadata_errors=True)
    made.data["library_name"], made.data["pipeline_tag"] = "fame", made.data.get("pipeline_tag") or TASK
    text = re.sub(r'fame\.load\("[^"]*"\)( *#[^\n]*)?', f'fame.load("{repo}")', str(made), count=1)
    return text if text.endswith("\n") else f"{text}\n"


def upload(bundle: Bundle, folder: Path, repo: str, private: bool = False) -> str:
    """Put the bundle that lies in a directory on the Hub as the model `owner/name`, in one commit; its address there.

    Its known files alone go up. The card goes with `hub_card`'s changes; a repository that is there is written over.

    Raises:
        FameError: the id is none, nobody is logged in, or the Hub does not take it.
    """
    from huggingface_hub import CommitOperationAdd, HfApi

    if not REPO.fullmatch(repo):
        raise FameError(f"{repo[:100]!r} is no id of the Hugging Face Hub; expected owner/name")
    files = [name for name in (MANIFEST, *FILES) if name != CARD and (folder / name).is_file()]
    operations = [CommitOperationAdd(name, str(folder / name)) for name in files]
    operations.append(CommitOperationAdd(CARD, hub_card(bundle.card, repo).encode()))
    api = HfApi(library_name="fame")
    try:
        api.create_repo(repo, repo_type="model", private=private, exist_ok=True)
        api.create_commit(repo, operations, commit_message=f"The bundle {bundle.name}")
    except Exception as error:  # the Hub's errors share no class of their own
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status in (401, 403):
            raise FameError(
                f"{repo}: the Hugging Face Hub refuses ({status}); log in with `hf auth login`, as one who may write"
            ) from None
        reason = " ".join((str(error).splitlines() or [""])[0].split())[:200]
        raise FameError(f"{repo}: the Hugging Face Hub did not take it ({type(error).__name__}: {reason})") from None
    return f"{api.endpoint}/{repo}"
