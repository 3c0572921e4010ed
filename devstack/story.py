"""Follows the logs of the roles and prints the lines that show how campaigns and accounts change."""

from __future__ import annotations

import threading
from pathlib import Path

from rich.console import Console
from rich.text import Text

_POLL_SECONDS = 0.2
_COLOURS = {"WARNING": "yellow", "ERROR": "red", "INFO": "cyan"}
# The events that are shown. `batch` and `webhooks_applied` are left out, because they are logged every second.
_EVENTS = frozenset(
    {
        "tick", "campaign_started", "accounts_active", "health_checking", "health_ok", "health_not_ideal",
        "health_failed", "health_worse", "health_better", "account_deactivated",
        "account_category_deactivated", "campaign_waiting",
        "campaign_completed", "failures", "slice_error",
    }
)  # fmt: skip
_PARTS = 4


def tell_story(folder: Path, console: Console, stop: threading.Event) -> None:
    """Print each new line of the logs in `folder` once, until `stop` is set."""
    positions: dict[Path, int] = {}
    is_last = False
    while not is_last:
        is_last = stop.wait(_POLL_SECONDS)
        for path in sorted(folder.glob("*.log")):
            with path.open("rb") as log:
                log.seek(positions.get(path, 0))
                # Read only complete lines; the next poll reads the rest.
                new = log.read().rpartition(b"\n")[0]
                positions[path] = positions.get(path, 0) + (len(new) + 1 if new else 0)
            for line in new.decode("utf-8", errors="replace").splitlines():
                _show(line, path.stem, console)


def _show(line: str, role: str, console: Console) -> None:
    parts = line.split(" ", _PARTS - 1)
    if len(parts) < _PARTS or parts[2] not in _EVENTS:
        return
    time, level, _, sentence = parts
    console.print(
        Text.assemble((f"{time[11:19]}Z", "dim"), " ", (f"{role:8}", "dim"), " ", (sentence, _COLOURS.get(level, ""))),
        soft_wrap=True,
    )
