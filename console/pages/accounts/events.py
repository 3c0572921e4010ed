"""The events of an account in words."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

from campaigns.domain.account import CooldownReason, explain_deactivation
from campaigns.domain.health import read_changes
from campaigns.store.accounts import AccountEvent
from console.context import user
from console.pages.people.keys import show_words
from console.texts import _, category_word, event_word, explain_row, local_time, say


@dataclass(frozen=True, slots=True)
class EventView:
    """An event. `errors`: the failures that caused it, as Meta reported them. `is_bad`: it stopped the account."""

    at: dt.datetime
    word: str
    details: Sequence[Markup]
    errors: Sequence[Mapping[str, Any]]
    is_bad: bool


def describe_events(events: Sequence[AccountEvent]) -> list[EventView]:
    return [
        EventView(each.at, event_word(each.kind), _describe(each), each.details.get("errors", ()), is_bad(each))
        for each in events
    ]


def is_bad(event: AccountEvent) -> bool:
    """Tell whether an event stopped the account, or a part of what it sends."""
    return event.kind in {"deactivated", "category_deactivated", "blocked"}


def _describe(event: AccountEvent) -> list[Markup]:
    """Return the details of an event. Meta's own words stay as they are, with masked phones for most people."""
    details = event.details
    found = [escape(category_word(details["category"]))] if "category" in details else []
    if event.kind == "reported":
        found.append(escape(" ".join(str(details[name]) for name in ("field", "event") if details.get(name))))
    if "changes" in details:
        found += [say(each) for each in read_changes(details["changes"])]
    if details.get("was"):
        found.append(escape(_("before:")) + " " + say(explain_deactivation(details["was"])))
    for category, reason in details.get("categories", {}).items():
        found.append(escape(f"{category_word(category)}: ") + say(explain_deactivation(reason)))
    if reason := details.get("reason"):
        found.append(_explain(event.kind, str(reason)))
    if by := details.get("by"):
        found.append(escape(_("by %(name)s", name=by)))
    if why := details.get("why"):
        found.append(escape(_("Reason:")) + " " + escape(why))
    if said := details.get("said"):
        found.append(escape(_("Meta says:")) + " " + escape(show_words(str(said))))
    if "until" in details:
        until = local_time(dt.datetime.fromisoformat(details["until"]), user().time_zone)
        found.append(escape(_("until %(time)s", time=until)))
    return found


def _explain(kind: str, reason: str) -> Markup:
    if kind == "blocked":
        return say(CooldownReason.explain(reason))
    if kind == "deactivated":
        return say(explain_deactivation(reason))
    return escape(explain_row(reason))
