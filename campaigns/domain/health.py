"""What Meta says of a phone number, and whether it got worse. It informs; nothing here decides about sending."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

_MAX_TEXT = 64

# Worse is greater. What is not listed (a new word of Meta's) counts as worth a look, not as the worst.
_IDEAL = {"quality": "GREEN", "status": "CONNECTED", "can_send": "AVAILABLE"}
_RANKS: dict[str, dict[str, int]] = {
    "quality": {"": 0, "GREEN": 0, "UNKNOWN": 0, "NA": 0, "YELLOW": 1, "RED": 2},
    "status": {"": 0, "CONNECTED": 0, "PENDING": 1, "UNVERIFIED": 1, "MIGRATED": 1, "RATE_LIMITED": 1, "FLAGGED": 1,
               "RESTRICTED": 2, "DISCONNECTED": 2, "DELETED": 2, "BANNED": 2},
    "can_send": {"": 0, "AVAILABLE": 0, "LIMITED": 1, "BLOCKED": 2},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Health:
    """The last readable answer. Empty text: Meta did not say."""

    quality: str = ""
    status: str = ""
    can_send: str = ""
    messaging_limit: str = ""
    throughput: str = ""
    display_phone_number: str = ""
    verified_name: str = ""

    def describe(self) -> str:
        """Return what is not ideal, in words; "" when all is well."""
        return ", ".join(
            f"{name.replace('_', ' ')} {getattr(self, name)}" for name in _RANKS if _rank(name, getattr(self, name)) > 0
        )

    def over(self, before: Health) -> Health:
        """Return this answer, with what it does not say as it was."""
        return Health(**{spec.name: getattr(self, spec.name) or getattr(before, spec.name) for spec in fields(self)})

    def as_json(self) -> dict[str, str]:
        return asdict(self)


def health_from_json(stored: Mapping[str, Any]) -> Health:
    """Return what `as_json` gave; unknown and missing keys are tolerated."""
    return Health(**{spec.name: _text(stored.get(spec.name)) for spec in fields(Health)})


def read_health(answer: Mapping[str, Any]) -> Health:
    """Read Meta's answer for a phone number. Unknown fields and shapes are ignored."""
    return Health(
        quality=_text(answer.get("quality_rating")),
        status=_text(answer.get("status")),
        can_send=_text(_inside(answer.get("health_status"), "can_send_message")),
        messaging_limit=_text(answer.get("whatsapp_business_manager_messaging_limit")),
        throughput=_text(_inside(answer.get("throughput"), "level")),
        display_phone_number=_text(answer.get("display_phone_number")),
        verified_name=_text(answer.get("verified_name")),
    )


def compare(before: Health, after: Health) -> tuple[str, str]:
    """Return ("worse" | "better" | "", the changes in words). What was not known before counts as ideal."""
    worse: list[str] = []
    better: list[str] = []
    for name in _RANKS:
        old, new = getattr(before, name) or _IDEAL[name], getattr(after, name)
        if not new or _rank(name, old) == _rank(name, new):
            continue
        change = f"{name.replace('_', ' ')} {old} → {new}"
        (worse if _rank(name, new) > _rank(name, old) else better).append(change)
    if worse:
        return "worse", ", ".join(worse + better)
    return ("better", ", ".join(better)) if better else ("", "")


def _rank(name: str, value: str) -> int:
    return _RANKS[name].get(value, 1)


def _inside(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, Mapping) else None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        return ""
    return "".join(letter for letter in value if letter.isprintable())[:_MAX_TEXT]
