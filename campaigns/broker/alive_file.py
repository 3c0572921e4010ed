"""The file whose age tells a health check whether a process works (REVOADA_ALIVE_FILE)."""

from __future__ import annotations

import logging
from pathlib import Path

from campaigns.logs import event

_log = logging.getLogger(__name__)


def touch_alive_file(path: str | None) -> None:
    """Set the time of the file to now. If `path` is None, do nothing.

    An error is only logged, because no work depends on the file.
    """
    if path is None:
        return
    try:
        Path(path).touch()
    except OSError as error:
        bound = event("alive_file_failed", path=path)
        _log.warning("REVOADA_ALIVE_FILE cannot be written: %s", type(error).__name__, extra=bound)
