"""Reads the health of a phone number, as Meta reports it, and tells whether the health got worse.

Bad health does not stop sending.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any

from campaigns.domain.statement import Sentence, Word

_MAX_TEXT = 64

# Ranks of Meta's words. A greater rank is worse. A word that is not listed, such as a new word of Meta's, has rank 1.
_IDEAL = {"quality": "GREEN", "status": "CONNECTED", "can_send": "AVAILABLE"}
_RANKS: dict[str, dict[str, int]] = {
    "quality": {"": 0, "GREEN": 0, "UNKNOWN": 0, "NA": 0, "YELLOW": 1, "RED": 2},
    "status": {"": 0, "CONNECTED": 0, "PENDING": 1, "UNVERIFIED": 1, "MIGRATED": 1, "RATE_LIMITED": 1, "FLAGGED": 1,
               "RESTRICTED": 2, "DISCONNECTED": 2, "DELETED": 2, "BANNED": 2},
    "can_send": {"": 0, "AVAILABLE": 0, "LIMITED": 1, "BLOCKED": 2},
}  # fmt: skip
_NAMES = {"quality": Word("quality"), "status": Word("status"), "can_send": Word("can send")}
_CHANGE = re.compile(rf"({'|'.join(_NAMES.values())}) (.+) → (.+)")


class Trend(StrEnum):
    WORSE = "worse"  # at least one value is worse, even if others are better
    BETTER = "better"
    SAME = ""


@dataclass(frozen=True, slots=True)
class Health:
    """The last readable answer of Meta about a phone number. A field that Meta did not report is empty."""

    quality: str = ""
    status: str = ""
    can_send: str = ""
    messaging_limit: str = ""
    throughput: str = ""
    display_phone_number: str = ""
    verified_name: str = ""

    def describe(self) -> list[Sentence]:
        """Return the fields that are not ideal, in words."""
        values = {name: getattr(self, name) for name in _RANKS}
        return [
            Sentence("{name} {value}", name=_NAMES[name], value=value)
            for name, value in values.items()
            if _rank(name, value) > 0
        ]

    def over(self, before: Health) -> Health:
        """Return this answer, with its empty fields filled from the answer `before`."""
        return Health(**{spec.name: getattr(self, spec.name) or getattr(before, spec.name) for spec in fields(self)})

    def as_json(self) -> dict[str, str]:
        return asdict(self)


def health_from_json(stored: Mapping[str, Any]) -> Health:
    """Return the health from which `as_json` made `stored`.

    Unknown keys are ignored. The field of a missing key is empty.
    """
    return Health(**{spec.name: _text(stored.get(spec.name)) for spec in fields(Health)})


def read_health(answer: Mapping[str, Any]) -> Health:
    """Read Meta's answer for a phone number. Unknown fields, and values of an unexpected type, are ignored."""
    return Health(
        quality=_text(answer.get("quality_rating")),
        status=_text(answer.get("status")),
        can_send=_text(_inside(answer.get("health_status"), "can_send_message")),
        messaging_limit=_text(answer.get("whatsapp_business_manager_messaging_limit")),
        throughput=_text(_inside(answer.get("throughput"), "level")),
        display_phone_number=_text(answer.get("display_phone_number")),
        verified_name=_text(answer.get("verified_name")),
    )


def compare(before: Health, after: Health) -> tuple[Trend, list[Sentence]]:
    """Return the trend of the health, and the changes in words. A value that was unknown before counts as ideal."""
    worse: list[Sentence] = []
    better: list[Sentence] = []
    for name in _RANKS:
        old, new = getattr(before, name) or _IDEAL[name], getattr(after, name)
        if not new or _rank(name, old) == _rank(name, new):
            continue
        change = _describe_change(_NAMES[name], old, new)
        (worse if _rank(name, new) > _rank(name, old) else better).append(change)
    if worse:
        return Trend.WORSE, worse + better
    return (Trend.BETTER, better) if better else (Trend.SAME, [])


def read_changes(text: str) -> list[Sentence]:
    """Return the changes in a text that an account event has: the changes of `compare`, with commas between them."""
    changes = []
    for part in text.split(", "):
        match = _CHANGE.fullmatch(part)
        changes.append(
            Sentence("{change}", change=part) if match is None else _describe_change(Word(match[1]), match[2], match[3])
        )
    return changes


def _describe_change(name: Word, old: str, new: str) -> Sentence:
    return Sentence("{name} {old} → {new}", name=name, old=old, new=new)


def _rank(name: str, value: str) -> int:
    return _RANKS[name].get(value, 1)


def _inside(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, Mapping) else None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        return ""
    return "".join(letter for letter in value if letter.isprintable())[:_MAX_TEXT]
