"""Rings beside the answer: many presses become few rings, and neither a failing nor a hanging bell holds anybody up."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Button:
    """The button of one process. Threads and held locks do not survive a fork, so a child makes its own."""

    starting: threading.Lock = field(default_factory=threading.Lock)
    pressed: threading.Event = field(default_factory=threading.Event)
    ringer: threading.Thread | None = None


class Doorbell:
    """Calls `ring` in a thread of its own, at most once per `min_gap_seconds`: the first press rings at once, and in a
    storm each ring is for many bodies, whose evidence is then written in few statements.

    A ring that fails is not repeated: the next press rings again, and the tick finds what was missed.
    """

    def __init__(self, ring: Callable[[], None], *, min_gap_seconds: float = 0.25) -> None:
        self._ring = ring
        self._min_gap_seconds = min_gap_seconds
        self._buttons: dict[int, _Button] = {}  # by process id

    def press(self) -> None:
        """Ask for a ring and return at once. Never raises."""
        button = self._buttons.get(os.getpid()) or self._buttons.setdefault(os.getpid(), _Button())
        button.pressed.set()
        if button.ringer is not None and button.ringer.is_alive():
            return
        with button.starting:
            if button.ringer is not None and button.ringer.is_alive():
                return
            ringer = threading.Thread(target=self._run, args=(button,), name="doorbell", daemon=True)
            try:
                ringer.start()
            except RuntimeError:  # no more threads, or the interpreter is on its way out: the next press tries again
                return
            button.ringer = ringer

    def _run(self, button: _Button) -> None:
        is_down = False
        while True:
            button.pressed.wait()
            button.pressed.clear()  # before the ring: a press during it rings once more
            try:
                self._ring()
            except Exception as error:  # noqa: BLE001 - whatever the broker's client raises, the answer goes out
                if not is_down:
                    # The text of the error may hold the broker's address and password.
                    log.warning(
                        "Doorbell does not ring (%s), the tick applies webhooks until it does",
                        type(error).__name__,
                        extra={"event": "doorbell_failed"},
                    )
                is_down = True
            else:
                if is_down:
                    log.info("Doorbell rings again", extra={"event": "doorbell_back"})
                is_down = False
            time.sleep(self._min_gap_seconds)
