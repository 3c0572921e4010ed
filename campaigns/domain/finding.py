"""What a look at an installation finds: how bad it is, one sentence that says it, and one that says what to do."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from zoneinfo import ZoneInfo


class Severity(StrEnum):
    NOTE = "note"  # as it should be, and it explains why nothing is sent just now
    WARNING = "warning"  # it goes on, worse than it could or not for long
    ERROR = "error"  # something does not move, and will not without a person


# What a script may ask the exit code for.
EXIT_CODES = {Severity.NOTE: 0, Severity.WARNING: 1, Severity.ERROR: 2}


@dataclass(frozen=True, slots=True)
class Finding:
    """`kind` is stable, for scripts. `campaign_id`: the one that it is about, None for what concerns all."""

    kind: str
    severity: Severity
    text: str
    advice: str
    campaign_id: int | None = None


def exit_code(findings: Iterable[Finding]) -> int:
    return max((EXIT_CODES[finding.severity] for finding in findings), default=0)


def spell_seconds(seconds: float) -> str:
    """Return a duration as people say it: `45 s`, `12 min`, `3 h`, `2 days`."""
    for size, name in ((172_800, "days"), (7_200, "h"), (120, "min")):
        if seconds >= size:
            return f"{seconds // {'days': 86_400, 'h': 3_600, 'min': 60}[name]:g} {name}"
    return f"{seconds:.0f} s"


def spell_time(at: dt.datetime, time_zone: str) -> str:
    return at.astimezone(ZoneInfo(time_zone)).strftime("%Y-%m-%d %H:%M:%S %Z")


def spell_count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
