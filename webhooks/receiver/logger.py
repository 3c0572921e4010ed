"""A logger for gunicorn. It writes gunicorn's lines to Revoada's log, in the format of that log."""

from __future__ import annotations

import logging
import sys
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

    def exception(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        """Log an error with its traceback, unless the kernel has ended a connection because its client takes nothing.

        gunicorn is silent about a client that resets its connection. Any client can cause either of these two.
        """
        if not isinstance(sys.exc_info()[1], TimeoutError):
            super().exception(msg, *args, **kwargs)
