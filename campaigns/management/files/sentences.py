"""Converts refusals and findings to JSON and back, because the language of the reader is known only later."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from campaigns.domain.campaign import CampaignStatus
from campaigns.domain.message import Status
from campaigns.domain.statement import (
    Count,
    Duration,
    Entry,
    Field,
    Finding,
    Hint,
    HintAction,
    Kind,
    Moment,
    Problem,
    Refusal,
    Sentence,
    Severity,
    Statement,
    Word,
)
from campaigns.store.files.jobs import DownloadRow, JobRow

# The classes of texts that are translated when they are shown, by the name of the class.
_TEXTS: Mapping[str, type[str]] = {each.__name__: each for each in (CampaignStatus, Problem, Status, Word)}


def write_sentence(sentence: Sentence) -> dict[str, Any]:
    """Return a sentence, or a refusal or a finding, as JSON."""
    written: dict[str, Any] = {
        "is": "sentence",
        "text": sentence.text,
        "values": {name: _write(value) for name, value in sentence.values.items()},
    }
    if isinstance(sentence, Statement):
        written |= {"is": "refusal", "code": sentence.code, "kind": sentence.kind.value}
    if isinstance(sentence, Finding):
        written |= {"is": "finding", "severity": sentence.severity.value, "advice": sentence.advice}
    return written


def read_sentence(written: Mapping[str, Any]) -> Sentence:
    """Return the sentence, the refusal or the finding that `write_sentence` has written."""
    text = written["text"]
    values = {name: _read(value) for name, value in written["values"].items()}
    match written["is"]:
        case "finding":
            severity, kind = Severity(written["severity"]), Kind(written["kind"])
            return Finding(written["code"], severity, text, written["advice"], kind=kind, **values)
        case "refusal":
            return Refusal(written["code"], text, kind=Kind(written["kind"]), **values)
        case _:
            return Sentence(text, **values)


def read_refusal(job: JobRow | DownloadRow | None) -> Sentence | None:
    """Return why a job was refused or failed; None if it was not, or if there is no job."""
    return None if job is None or job.is_due or job.is_done else read_sentence((job.result or {})["sentence"])


def _write(value: Any) -> Any:  # noqa: PLR0911  one for each class
    match value:
        case Sentence():
            return write_sentence(value)
        case Hint(action, target, entry, also, file):
            fields = {"entry": _write(entry), "also": _write(also), "file": file}
            return {"is": "hint", "action": action.name, "target": target, **fields}
        case Entry(field, inner):
            return {"is": "entry", "field": field.name, "value": _write(inner)}
        case Count(number, noun):
            return {"is": "count", "number": number, "noun": noun}
        case Duration(seconds):
            return {"is": "duration", "seconds": seconds}
        case Moment(at, time_zone):
            return {"is": "moment", "at": at.isoformat(), "time_zone": time_zone}
        case list() | tuple():
            return [_write(each) for each in value]
    name = type(value).__name__
    return {"is": name, "text": str(value)} if name in _TEXTS else value


def _read(value: Any) -> Any:  # noqa: PLR0911  one for each class
    if isinstance(value, list):
        return [_read(each) for each in value]
    if not isinstance(value, dict):
        return value
    match value["is"]:
        case "hint":
            entry, also = _read(value["entry"]), tuple(_read(value["also"]))
            # An older version has written hints without a file.
            return Hint(HintAction[value["action"]], value["target"], entry, also, value.get("file", ""))
        case "entry":
            return Entry(Field[value["field"]], _read(value["value"]))
        case "count":
            return Count(value["number"], value["noun"])
        case "duration":
            return Duration(value["seconds"])
        case "moment":
            return Moment(dt.datetime.fromisoformat(value["at"]), value["time_zone"])
        case name if name in _TEXTS:
            return _TEXTS[name](value["text"])
        case _:
            return read_sentence(value)
