"""What will happen when a campaign starts: who gets what, who does not, at which rates, and until when about."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from campaigns.domain.campaign import CampaignError, missing_campaign
from campaigns.domain.filling import Parameter, ParameterKind, fill, find_misfit, list_parameters
from campaigns.domain.pacing import Window
from campaigns.domain.schedule import read_holidays
from campaigns.domain.template import Button, ButtonKind, HeaderMedia, Template, render
from campaigns.management.template_choice import read_template
from campaigns.store import accounts, campaigns, portfolios, templates
from campaigns.store.accounts import load_campaign_accounts
from campaigns.store.campaigns import CampaignListing
from campaigns.store.database import Connection, Database

_DAY = dt.timedelta(days=1)
# A window is looked for over 60 days at a time: then for ten years.
_LOOKS = 61


@dataclass(frozen=True, slots=True)
class CampaignPreview:
    """`send_count` messages of the template's `category` go out, `suppressed_count` of the pending ones do not.

    `messages`: the texts for the first people, by phone. `rate`: messages per second of all accounts that may send it.
    `ends_at` is None if it is unknown: no account may send the campaign, or it takes more than ten years.
    """

    campaign: CampaignListing
    category: str
    send_count: int
    suppressed_count: int
    messages: list[tuple[str, Preview]]
    rate: int
    starts_at: dt.datetime
    ends_at: dt.datetime | None


def preview_campaign(database: Database, campaign_id: int, *, rows: int) -> CampaignPreview:
    """Return what a campaign will do with what is pending, with its first `rows` messages. Raises CampaignError."""
    return database.run(_load, campaign_id, rows)


def _load(connection: Connection, campaign_id: int, rows: int) -> CampaignPreview:
    found = campaigns.list_campaigns(connection, [campaign_id])
    if not found:
        raise CampaignError(missing_campaign(campaign_id))
    row = found[0]
    template = templates.load_template(connection, campaigns.find_template_id(connection, campaign_id))
    form = read_template(template)
    if misfit := find_misfit(form, row.parameters, row.columns):
        raise CampaignError(misfit)
    filling = fill(form, row.parameters)
    messages = [
        (
            phone,
            preview(
                filling.template,
                template.components,
                {**filling.fixed, **dict(zip(row.columns, variables, strict=False))},
            ),
        )
        for phone, variables in campaigns.first_messages(connection, campaign_id, limit=rows)
    ]
    pending_count, suppressed_count = campaigns.count_pending(connection, campaign_id)
    categories = load_campaign_accounts(connection, [campaign_id])[campaign_id]
    listed = accounts.list_accounts(connection, list(categories))
    sending = [account for account in listed if account.may_send(categories[account.id])]
    rate = sum(account.messages_per_second for account in sending)
    send_count = pending_count - suppressed_count
    starts_at = max(row.scheduled_at or row.server_now, row.server_now)
    ends_at = _estimate_end(row, send_count, rate, starts_at)
    if ends_at is not None:
        ends_at = max(ends_at, starts_at + _DAY * _days_of_limits(connection, sending, send_count))
    return CampaignPreview(row, template.category, send_count, suppressed_count, messages, rate, starts_at, ends_at)


def _estimate_end(row: CampaignListing, count: int, rate: int, starts_at: dt.datetime) -> dt.datetime | None:
    if not rate:
        return None
    holidays = read_holidays(row.holidays) if row.holidays else None
    window = Window(row.time_zone, row.window_from, row.window_to, frozenset(row.weekdays), holidays)

    def opening(at: dt.datetime) -> tuple[dt.datetime, dt.datetime]:
        is_open, until = window.look(at)
        for _ in range(_LOOKS):
            if is_open:
                break
            at = until
            is_open, until = window.look(at)
        return at, until

    seconds = estimate_seconds(
        count,
        rate=rate,
        interval_seconds=row.interval_seconds,
        pause_after=row.pause_after or 0,
        pause_seconds=row.pause_seconds or 0.0,
    )
    return estimate_end(starts_at, seconds, opening)


def _days_of_limits(connection: Connection, sending: Sequence[accounts.AccountListing], count: int) -> int:
    """Return how many days the daily limits of the portfolios add, if every account that may send is in one."""
    names = {account.portfolio for account in sending}
    if not names or None in names:
        return 0
    limits = [each for each in portfolios.list_portfolios(connection) if each.name in names]
    free = sum(max(each.daily_limit - each.people_count, 0) for each in limits)
    return max(math.ceil((count - free) / sum(each.daily_limit for each in limits)), 0)


@dataclass(frozen=True, slots=True)
class Preview:
    """The parts of a message, "" where there is none. What has no value stands as {{its name}}."""

    header: str
    body: str
    footer: str
    buttons: list[str]


def preview(template: Template, components: Sequence[Mapping[str, Any]], values: Mapping[str, str]) -> Preview:
    """Return a template as it reads with these values, by name of parameter."""
    parameters = list_parameters(template)
    by_button = {each.button_index: each for each in parameters if each.button_index is not None}
    raw_buttons = _raw_buttons(components)
    return Preview(
        header=_header(template, parameters, values),
        body=render(template.body_text, values),
        footer=next((str(part.get("text") or "") for part in components if _word(part, "type") == "FOOTER"), ""),
        buttons=[
            _button(button, raw_buttons[button.index], by_button.get(button.index), values)
            for button in template.buttons
        ],
    )


def _header(template: Template, parameters: Sequence[Parameter], values: Mapping[str, str]) -> str:
    if isinstance(template.header, HeaderMedia):
        given = {each.kind: _value(each, values) for each in parameters[:2]}
        name = given.get(ParameterKind.FILENAME, "") if "file name" in values else ""
        return " ".join(part for part in (f"[{template.header.kind}]", given[ParameterKind.MEDIA], name) if part)
    first = parameters[0] if parameters and parameters[0].kind is ParameterKind.HEADER_TEXT else None
    if first is None or template.header is None or first.name not in values:
        return template.header_text
    return render(template.header_text, {template.header.variable or "": values[first.name]})


def _button(button: Button, raw: Mapping[str, Any], parameter: Parameter | None, values: Mapping[str, str]) -> str:
    text = str(raw.get("text") or raw.get("type") or "").strip()
    given = "" if parameter is None else _value(parameter, values)
    match button.kind:
        case ButtonKind.URL:
            more = f"{button.url}{given}"
        case ButtonKind.QUICK_REPLY:
            more = f"sends back {given}" if parameter is not None and parameter.name in values else ""
        case ButtonKind.COPY_CODE:
            more = f"copies {given}"
        case _:
            more = str(raw.get("phone_number") or "")
    return f"[{text}] {more}".strip()


def _value(parameter: Parameter, values: Mapping[str, str]) -> str:
    return values.get(parameter.name, f"{{{{{parameter.name}}}}}")


def _raw_buttons(components: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    found = next((part.get("buttons") for part in components if _word(part, "type") == "BUTTONS"), None)
    return [each if isinstance(each, dict) else {} for each in found] if isinstance(found, list) else []


def _word(part: Mapping[str, Any], key: str) -> str:
    value = part.get(key)
    return value.upper() if isinstance(value, str) else ""


# Beyond this nobody plans.
_LONGEST = dt.timedelta(days=3650)

# From a time on: when sending is next possible, and until when (None: without an end).
Opening = Callable[[dt.datetime], tuple[dt.datetime, dt.datetime | None]]


def estimate_seconds(
    count: int, *, rate: float, interval_seconds: float = 0.0, pause_after: int = 0, pause_seconds: float = 0.0
) -> float:
    """Return how long `count` messages take while sending is possible; `rate`: messages/s of all accounts."""
    if count <= 1:
        return 0.0
    step = max(interval_seconds, 1 / rate)
    pauses = (count - 1) // pause_after if pause_after else 0
    return (count - 1 - pauses) * step + pauses * max(pause_seconds, step)


def estimate_end(start: dt.datetime, seconds: float, opening: Opening) -> dt.datetime | None:
    """Return when `seconds` of sending from `start` on are over, None when that is more than ten years away."""
    at, left = start, dt.timedelta(seconds=seconds)
    while at - start < _LONGEST:
        begins, ends = opening(at)
        if ends is None or begins + left <= ends:
            return begins + left
        left -= ends - begins
        at = ends
    return None
