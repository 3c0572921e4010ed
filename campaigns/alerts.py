"""Tells a person: a POST to `ALERT_WEBHOOK_URL` beside the log line. It may fail, and nobody waits for it."""

from __future__ import annotations

import logging
import queue
import threading
from typing import Any

import requests

from campaigns.logs import event

_log = logging.getLogger(__name__)

_TIMEOUT = (3.0, 5.0)
_MOST_WAITING = 1000


class Alerts:
    """One thread per process that posts what is queued, in order. Without a URL nothing is posted."""

    def __init__(self, url: str | None) -> None:
        self._url = url
        self._waiting: queue.Queue[dict[str, Any]] = queue.Queue(_MOST_WAITING)
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def send(self, kind: str, text: str, **bound: Any) -> None:
        """Queue one alert: `kind` is stable, `text` is for people, `bound` holds ids. Returns at once."""
        if self._url is None:
            return
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, args=(self._url,), name="alerts", daemon=True)
                self._thread.start()
        try:
            # `text` is what chat tools (Slack, Mattermost, Rocket.Chat) show of a posted JSON.
            self._waiting.put_nowait({"kind": kind, "text": text, **bound})
        except queue.Full:
            _log.warning("Too many alerts wait, one is dropped: %s", kind, extra=event("alert_failed"))

    def _run(self, url: str) -> None:
        while True:
            alert = self._waiting.get()
            try:
                requests.post(url, json=alert, timeout=_TIMEOUT).raise_for_status()
            except Exception as error:  # noqa: BLE001  whatever is wrong with this one, the next is posted
                # The URL may hold a secret: it stays out of the line.
                _log.warning("Alert could not be posted: %s", type(error).__name__, extra=event("alert_failed"))
