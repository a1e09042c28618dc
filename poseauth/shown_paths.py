"""How a path that nobody typed is shown: a message is passed on further than its reader thinks."""

from __future__ import annotations

from pathlib import Path


def shown(path: Path) -> str:
    """The path for a message, with ~ in the place of the user's home folder."""
    try:
        return str(Path("~") / path.relative_to(Path.home()))
    except (ValueError, RuntimeError):  # it lies elsewhere, or nobody's home is known
        return str(path)
