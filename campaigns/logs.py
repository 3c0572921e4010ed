"""The story of a run in lines: a stable event name, a sentence, and the ids bound to it."""

from __future__ import annotations

import datetime as dt
import json
import logging
import re
import sys
from typing import Any

from campaigns.config import Settings

_PHONE = re.compile(r"\+[1-9][0-9]{6,14}(?![0-9])")
# What Postgres adds to an error quotes rows. They may hold line breaks, so nothing behind this word is told.
_DETAIL = re.compile(r"\s*\bDETAIL:.*", re.DOTALL)
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def event(name: str, **bound: Any) -> dict[str, Any]:
    """Return what `extra=` of a log call needs to carry the stable name and what is bound to it."""
    return {"event": name, **bound}


def mask_phone(phone: str) -> str:
    """Return a phone number that a log may show: of +5511987654321 it keeps +5511…21."""
    return f"{phone[:5]}…{phone[-2:]}" if len(phone) > 9 else "…"  # noqa: PLR2004


def _clean(text: str) -> str:
    """Mask what no caller may log, whatever an exception says: phone numbers, and the rows that Postgres quotes."""
    return _PHONE.sub(lambda match: mask_phone(match[0]), _DETAIL.sub("", text))


def _on_one_line(text: str) -> str:
    """Let no text of others begin a line of its own, which could pass for one of ours."""
    return text.replace("\r", "\\r").replace("\n", "\\n")


class _TextFormatter(logging.Formatter):
    """`2026-11-23T09:00:00.123Z INFO campaign_started Starting campaign 34: Black Friday campaign_id=34`."""

    def format(self, record: logging.LogRecord) -> str:
        bound = _bound(record)
        name = bound.pop("event", record.name)
        pairs = "".join(f" {key}={value}" for key, value in bound.items())
        line = f"{_time(record)} {record.levelname} {name} {_on_one_line(_clean(record.getMessage() + pairs))}"
        if not record.exc_info:
            return line
        trace = _clean(self.formatException(record.exc_info)).replace("\r", "\\r")
        return line + "".join(f"\n  {each}" for each in trace.split("\n"))


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        bound = {key: _clean(value) if isinstance(value, str) else value for key, value in _bound(record).items()}
        line = {
            "time": _time(record),
            "level": record.levelname,
            "event": bound.pop("event", record.name),
            "message": _clean(record.getMessage()),
            **bound,
        }
        if record.exc_info:
            line["exception"] = _clean(self.formatException(record.exc_info))
        return json.dumps(line, default=str, ensure_ascii=False)


def configure_logging(settings: Settings) -> None:
    """Let this process log to stderr, one line per record, as the settings say."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonFormatter() if settings.log_format == "json" else _TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level)
    # Their lines hold URLs, frames, and every task received and done: not our story.
    for name in ("urllib3", "amqp", "kombu", "celery.redirected", "celery.app.trace", "celery.worker.strategy"):
        logging.getLogger(name).setLevel("WARNING")


def _bound(record: logging.LogRecord) -> dict[str, Any]:
    return {key: value for key, value in vars(record).items() if key not in _STANDARD and key != "data"}


def _time(record: logging.LogRecord) -> str:
    moment = dt.datetime.fromtimestamp(record.created, dt.UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{int(record.msecs):03d}Z"
