"""One directory in, one directory out: a model with its catalogue and everything the screens show of it.

The layout is the Hugging Face Hub's, so that `FAME.from_pretrained` works on it too. `manifest.json` names each
file but the card with its size and SHA-256; nothing is read that a bundle may not have, and nothing is ever unpickled.

`files` reads them at the door, from a directory or, in `archive`, from a zip; `parts` turns each into what it holds;
`bundle` puts them together; `save` writes them; `find` and `hub` know where bundles are.
"""

from fame.bundle.archive import pack
from fame.bundle.bundle import Bundle
from fame.bundle.examples import Example
from fame.bundle.files import MANIFEST
from fame.bundle.find import glance, load, locate
from fame.bundle.save import check_target, check_writable
from fame.home import ARTIFACTS

__all__ = [
    "ARTIFACTS", "MANIFEST", "Bundle", "Example", "check_target", "check_writable", "glance", "load", "locate",
    "pack",
]  # fmt: skip
