"""`fame push`: a bundle on the Hugging Face Hub."""

from __future__ import annotations

from typing import Annotated

import typer

from fame.cli.terminal import BundleName
from fame.errors import FameError


def push(
    bundle: BundleName,
    repo: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="Its id on the Hub.", show_default=False)],
    private: Annotated[bool, typer.Option("--private", help="Only you see it, where it is new.")] = False,
) -> None:
    """Put a bundle on the Hugging Face Hub, with its card; fame.load("OWNER/NAME") gets it back.

    You are asked for nothing: log in once with `hf auth login`, or set HF_TOKEN.
    """
    from fame.bundle import locate
    from fame.bundle.bundle import Bundle
    from fame.bundle.hub import upload

    place = locate(bundle)
    if not place.is_dir():
        raise FameError(f"{place}: a zip; unpack it, and give the directory of the bundle")
    loaded = Bundle.load(place)  # nothing goes up that would be refused here
    address = upload(loaded, place, repo, private)
    typer.echo(f'{loaded.name} is at {address}; open it with fame.load("{repo}")')
