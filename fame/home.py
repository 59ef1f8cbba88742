"""Where app/, .streamlit/ and artifacts/ are: a wheel carries them inside the package, a checkout beside it."""

from __future__ import annotations

from pathlib import Path

__all__ = ["ARTIFACTS", "HOME"]

PACKAGE = Path(__file__).resolve().parent
HOME = PACKAGE / "shipped" if (PACKAGE / "shipped").is_dir() else PACKAGE.parent
ARTIFACTS = HOME / "artifacts"  # the bundles that come with the project
