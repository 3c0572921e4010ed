"""Formats log lines. Each line has a stable event name, a sentence, and ids as key=value pairs or JSON keys."""

from __future__ import annotations

import atexit
import datetime as dt
import json
import logging
import re
import sys
import threading
from collections.abc import Iterable
from types import TracebackType
from typing import Any, TextIO

from campaigns.config import Settings, read_log_settings
from campaigns.domain.controls import escape_controls, escape_in_json
from campaigns.domain.statement import Language, Refusal, Sentence, quote
from campaigns.language import ENGLISH, Translation, load

_PHONE = re.compile(r"\+[1-9][0-9]{6,14}(?![0-9])")
# Postgres quotes rows in the DETAIL of an error. The rows may contain line breaks, so all text after `DETAIL:` is
# removed.
_DETAIL = re.compile(r"\s*\bDETAIL:.*", re.DOTALL)
_log = logging.getLogger(__name__)
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

# The events that tell how campaigns and accounts get on. REVOADA_LOG_LANGUAGE translates the sentences of these events
# only. All other sentences are for people who operate the servers, and stay as the documents quote them.
STORY = frozenset(
    {
        "tick", "campaign_started", "accounts_active", "batch", "sending", "sent", "failures", "campaign_waiting",
        "campaign_completed", "health_checking", "health_ok", "health_not_ideal", "health_failed", "health_worse",
        "health_better", "account_deactivated", "account_category_deactivated",
    }
)  # fmt: skip
# The context of these sentences in the catalogues.
LOG = "log"


def event(name: str, **bound: Any) -> dict[str, Any]:
    """Return the value for `extra=` of a log call: the stable event name, and the ids that belong to the line."""
    return {"event": name, **bound}


def mask_phone(phone: str) -> str:
    """Return a phone number as a log may show it: +5511…21 for +5511987654321."""
    return f"{phone[:5]}…{phone[-2:]}" if len(phone) > 9 else "…"  # noqa: PLR2004


def mask_phones(text: str) -> str:
    """Mask each phone number in a text that is written as E.164."""
    return _PHONE.sub(lambda match: mask_phone(match[0]), text)


def _clean(text: str) -> str:
    """Mask phone numbers and remove rows that Postgres quotes. The text of any exception may contain both."""
    return mask_phones(_DETAIL.sub("", text))


def _get_sentence(record: logging.LogRecord, language: Translation) -> str:
    """Return the sentence of a record; in `language` if its event belongs to the story."""
    if language.name == ENGLISH or getattr(record, "event", None) not in STORY:
        return record.getMessage()
    if isinstance(record.msg, Sentence):
        return record.msg.fill(quote, language)
    text = language.translate_in(LOG, str(record.msg))
    return text % tuple(_translate(each, language) for each in record.args or ())


def _translate(value: object, language: Language) -> object:
    if isinstance(value, Sentence):
        return value.fill(quote, language)
    return language.format(value, "") if isinstance(value, str) else value


class _TextFormatter(logging.Formatter):
    """Formats a record as one line of text.

    Example: `2026-11-23T09:00:00.123Z INFO campaign_started Starting campaign 34: Black Friday campaign_id=34`
    """

    def __init__(self, language: Translation) -> None:
        super().__init__()
        self._language = language

    def format(self, record: logging.LogRecord) -> str:
        bound = _bound_values(record)
        name = bound.pop("event", record.name)
        pairs = "".join(f" {key}={value}" for key, value in bound.items())
        line = (
            f"{_format_time(record)} {record.levelname} {name} {_clean(_get_sentence(record, self._language) + pairs)}"
        )
        line = escape_controls(line)
        if not record.exc_info:
            return line
        trace = escape_controls(_clean(self.formatException(record.exc_info)), keeps="\n")
        return line + "".join(f"\n  {each}" for each in trace.split("\n"))


class _JsonFormatter(logging.Formatter):
    def __init__(self, language: Translation) -> None:
        super().__init__()
        self._language = language

    def format(self, record: logging.LogRecord) -> str:
        bound = {
            key: _clean(value) if isinstance(value, str) else value for key, value in _bound_values(record).items()
        }
        line = {
            "time": _format_time(record),
            "level": record.levelname,
            "event": bound.pop("event", record.name),
            "message": _clean(_get_sentence(record, self._language)),
            **bound,
        }
        if record.exc_info:
            line["exception"] = _clean(self.formatException(record.exc_info))
        return escape_in_json(json.dumps(line, default=str, ensure_ascii=False))


def start_log() -> None:
    """Configure the log of a role, before anything else of the role can fail or print.

    With LOG_FORMAT=json every line of the process is JSON: also a crash, a warning of Python, and text that a library
    prints. A wrong setting ends the process with one sentence or one line, without a traceback.
    """
    settings = read_log_settings()
    configure_logging(settings)
    sys.excepthook = _report_refusal
    if settings.log_format == "json":
        _log_output()


def configure_logging(settings: Settings) -> None:
    """Make this process log to stderr, with the level and the format that the settings name."""
    stream, language = sys.stderr, load(settings.log_language)
    handler = logging.StreamHandler(stream.target if isinstance(stream, _LoggedStream) else stream)
    handler.setFormatter(_JsonFormatter(language) if settings.log_format == "json" else _TextFormatter(language))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level)
    # At INFO and below, these loggers write URLs, protocol frames, and a line for each task received or done.
    for name in ("urllib3", "kombu", "celery.redirected", "celery.app.trace", "celery.worker.strategy"):
        logging.getLogger(name).setLevel("WARNING")


def report_start_error(error: Exception) -> None:
    """Tell why a role cannot start: one sentence for a person, or one log line if the log is JSON.

    At a terminal it is the sentence, also if the log is JSON.
    """
    stream = sys.stderr
    if isinstance(stream, _LoggedStream) and not stream.target.isatty():
        _log.critical("The process cannot start: %s", error, extra=event("process_crashed"))
    else:
        target = stream.target if isinstance(stream, _LoggedStream) else stream
        target.write(f"revoada: {escape_controls(_clean(str(error)))}\n")


def _report_refusal(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Handle an error that ends the process. The traceback of a wrong setting tells a person nothing."""
    if isinstance(error, Refusal):
        report_start_error(error)
    elif isinstance(sys.stderr, _LoggedStream):
        _log_crash(kind, error, trace)
    else:
        sys.__excepthook__(kind, error, trace)


def _log_output() -> None:
    """Turn the output of this process, its warnings, and its unhandled exceptions into log lines."""
    if isinstance(sys.stderr, _LoggedStream):
        return
    for name, level in (("stdout", logging.INFO), ("stderr", logging.WARNING)):
        stream = _LoggedStream(getattr(sys, name), logging.getLogger(name), level)
        # Celery prints to `sys.__stdout__`.
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
        atexit.register(stream.write, "\n")  # logs the last line if no line feed ends it
    logging.captureWarnings(capture=True)
    threading.excepthook = _log_end_of_thread
    sys.unraisablehook = _log_ignored_error


class _LoggedStream:
    """Takes the place of stdout or stderr, and logs each line that is printed there.

    It has the attributes that `print`, click and Celery use. `target` is the original stream.
    """

    encoding = "utf-8"
    errors = "backslashreplace"
    closed = False

    def __init__(self, target: TextIO, logger: logging.Logger, level: int) -> None:
        self.target, self._logger, self._level = target, logger, level
        self._local = threading.local()

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError("takes text only")  # click learns from this error that the stream takes no bytes
        if getattr(self._local, "is_logging", False):
            # `logging` prints an error here when a line cannot be logged. An attempt to log this error could fail in
            # the same way.
            return self.target.write(text)
        *lines, self._local.rest = (getattr(self._local, "rest", "") + text).split("\n")
        self._local.is_logging = True
        try:
            for line in lines:
                if line.strip():
                    self._logger.log(self._level, "%s", line.rstrip())
        finally:
            self._local.is_logging = False
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Do nothing, because each line is logged as soon as its line feed is written."""

    def isatty(self) -> bool:
        return False

    def fileno(self) -> None:
        """Return None, because Celery's signal handlers would write directly to a descriptor, past the log."""


def _log_crash(_kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    info = (type(error), error, trace)
    _log.critical("The process ends by an error: %r", error, exc_info=info, extra=event("process_crashed"))


def _log_end_of_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None and not isinstance(args.exc_value, SystemExit):
        info = (args.exc_type, args.exc_value, args.exc_traceback)
        name = args.thread.name if args.thread else "?"
        _log.error("Thread %s ends by an error: %r", name, args.exc_value, exc_info=info, extra=event("thread_crashed"))


def _log_ignored_error(args: sys.UnraisableHookArgs) -> None:
    """Log an error that Python can only ignore, such as one in `__del__`."""
    if args.exc_value is not None:
        info = (type(args.exc_value), args.exc_value, args.exc_traceback)
        _log.warning("Ignored in %r: %r", args.object, args.exc_value, exc_info=info, extra=event("error_ignored"))


def _bound_values(record: logging.LogRecord) -> dict[str, Any]:
    return {key: value for key, value in vars(record).items() if key not in _STANDARD and key != "data"}


def _format_time(record: logging.LogRecord) -> str:
    at = dt.datetime.fromtimestamp(record.created, dt.UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{int(record.msecs):03d}Z"
