"""A logger for gunicorn. It writes gunicorn's lines to Revoada's log, in the format of that log."""

from __future__ import annotations

import logging
from typing import Any

from gunicorn.glogging import Logger as GunicornLogger  # type: ignore[import-untyped]

from campaigns.logs import start_log


class Logger(GunicornLogger):  # type: ignore[misc]  # gunicorn has no types
    """Sends gunicorn's lines to Revoada's log, unless gunicorn is configured to write them to a file.

    gunicorn makes this object before it loads the application, so `setup` starts the log.
    """

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        start_log()
        for log in (self.error_log, self.access_log):
            log.handlers[:] = [each for each in log.handlers if type(each) is not logging.StreamHandler]
            log.propagate = not log.handlers
