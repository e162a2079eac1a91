"""Where people read what a command does: stderr, for data alone goes to stdout."""

from __future__ import annotations

from rich.console import Console

err = Console(stderr=True, soft_wrap=True)
"""Everything that is not data goes here."""
