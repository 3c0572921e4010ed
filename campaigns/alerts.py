"""Posts alerts to `ALERT_WEBHOOK_URL`. Callers also log each alert. No caller waits for a POST, and a POST may fail."""

from __future__ import annotations

import logging
import queue
import threading
from typing import Any

import requests

from campaigns.logs import event

_log = logging.getLogger(__name__)

_TIMEOUT = (3.0, 5.0)
_MAX_WAITING = 1000


class Alerts:
    """A queue of alerts, and one thread that posts the alerts in order. Without a URL, nothing is queued."""

    def __init__(self, url: str | None) -> None:
        self._url = url
        self._waiting: queue.Queue[dict[str, Any]] = queue.Queue(_MAX_WAITING)
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def send(self, kind: str, text: str, **bound: Any) -> None:
        """Queue one alert and return at once. `kind`: a stable name. `text`: a sentence for people. `bound`: ids."""
        if self._url is None:
            return
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, args=(self._url,), name="alerts", daemon=True)
                self._thread.start()
        try:
            # Chat tools (Slack, Mattermost, Rocket.Chat) show the key `text` of a posted JSON object.
            self._waiting.put_nowait({"kind": kind, "text": text, **bound})
        except queue.Full:
            _log.warning("Too many alerts wait, so this alert is dropped: %s", kind, extra=event("alert_failed"))

    def _run(self, url: str) -> None:
        while True:
            alert = self._waiting.get()
            try:
                _post(url, alert)
            except Exception as error:  # noqa: BLE001  after any error, the next alert is posted
                # Only the type of the error is logged, because the text may quote the URL, and the URL may hold a
                # secret.
                _log.warning("Alert could not be posted: %s", type(error).__name__, extra=event("alert_failed"))


def _post(url: str, alert: dict[str, Any]) -> None:
    """Post an alert; raise an error unless the answer is a success. Does not follow redirects or read the body."""
    with requests.post(url, json=alert, timeout=_TIMEOUT, allow_redirects=False, stream=True) as answer:
        answer.raise_for_status()
        if answer.status_code >= requests.codes.multiple_choices:
            raise requests.TooManyRedirects
