"""The form of a draft's accounts and pace: the texts that a person types, and the changes that they mean."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from typing import TypeVar
from zoneinfo import ZoneInfo

from wtforms import BooleanField, Field, SelectMultipleField, StringField

from campaigns.domain.schedule import read_holidays, read_moment, read_window, read_zone
from campaigns.domain.statement import Refusal
from campaigns.management.campaigns import CLEAR, CampaignChanges, Clear
from campaigns.store.campaigns import CampaignListing
from console.forms.drafts import DraftForm
from console.texts import _, has_thousands, say, typed_number

SECONDS, PER_MINUTE = "seconds", "per_minute"
_MINUTE = 60
_WEEK = 7
_LONGEST_NUMBER = 12
# The value of an `<input type="datetime-local">`.
_MOMENT = "%Y-%m-%dT%H:%M"

# By the code of a refusal: the field whose value is refused. Every other refusal concerns the accounts.
FIELDS = {
    "interval_out_of_range": "speed",
    "pause_incomplete": "pause_after",
    "pause_after_out_of_range": "pause_after",
    "pause_out_of_range": "pause_minutes",
    "cap_incomplete": "max_per_person",
    "start_within_without_schedule": "start_within",
    "opens_too_late": "start_within",
    "schedule_passed": "schedule",
    "expiry_before_schedule": "expire",
    "expiry_passed": "expire",
    "expires_before_opening": "expire",
    "never_open": "window_from",
    "recipient_zones_without_hours": "uses_recipient_zones",
}

Value = TypeVar("Value")


class _NoValueError(Exception):
    """A text cannot be read as the value of its field. The error says what to type, in the person's language."""


class PaceForm(DraftForm):
    """An empty field means that the campaign has no such setting.

    `speed` is a number of the unit `speed_unit`. `pause_minutes` and `start_within` are minutes. `schedule` and
    `expire` are wall-clock times of `time_zone`.
    """

    accounts = SelectMultipleField(validate_choice=False)
    speed = StringField()
    speed_unit = StringField()
    pause_after = StringField()
    pause_minutes = StringField()
    window_from = StringField()
    window_to = StringField()
    weekdays = SelectMultipleField(validate_choice=False)
    uses_recipient_zones = BooleanField()
    holidays = StringField()
    time_zone = StringField()
    schedule = StringField()
    start_within = StringField()
    expire = StringField()
    max_per_person = StringField()
    within_days = StringField()

    def read_changes(self, row: CampaignListing, *, has_senders: bool) -> CampaignChanges:
        """Return the changes that the texts mean for a draft, and add an error to each field whose text cannot be read.

        `has_senders`: there are accounts to choose from.
        """
        if has_senders and not self.accounts.data:
            blame(self.accounts, _("Choose at least one account."))
        zone = _read(self.time_zone, read_zone) or row.time_zone

        def check_moment(text: str) -> str:
            read_moment(text, zone, now=row.server_now)
            return text

        return CampaignChanges(
            accounts=self.accounts.data or None,
            interval_seconds=_or_clear(_read(self.speed, self._read_interval)),
            pause_after=_or_clear(_read(self.pause_after, _read_whole)),
            pause_seconds=_or_clear(_read(self.pause_minutes, _read_minutes)),
            window=_or_clear(self._read_window()),
            weekdays=self._read_weekdays(),
            uses_recipient_zones=bool(self.uses_recipient_zones.data) or CLEAR,
            holidays=_or_clear(_read(self.holidays, lambda text: read_holidays(text.upper()))),
            time_zone=zone,
            schedule=_or_clear(_read(self.schedule, check_moment)),
            start_within_seconds=_or_clear(_read(self.start_within, _read_minutes)),
            expire=_or_clear(_read(self.expire, check_moment)),
            max_per_person=_or_clear(_read(self.max_per_person, _read_whole)),
            within_days=_or_clear(_read(self.within_days, _read_whole)),
        )

    @property
    def has_errors(self) -> bool:
        return any(field.errors for field in self)

    def _read_interval(self, text: str) -> float:
        number = _read_number(text)
        if self.speed_unit.data != PER_MINUTE:
            return number
        if number <= 0:
            raise _NoValueError(_("The number of messages per minute is above 0."))
        return _MINUTE / number

    def _read_window(self) -> tuple[dt.time, dt.time] | None:
        opens, closes = (self.window_from.data or "").strip(), (self.window_to.data or "").strip()
        if bool(opens) != bool(closes):
            text = _("The hours need a beginning and an end. Leave both fields empty to send at all hours.")
            blame(self.window_to if opens else self.window_from, text)
            return None
        return _read(self.window_from, lambda text: read_window(f"{text}-{closes}"))

    def _read_weekdays(self) -> list[int] | Clear:
        days = sorted({int(each) for each in self.weekdays.data or () if each in {*"1234567"}})
        if not days:
            blame(self.weekdays, _("Choose at least one day of the week."))
        return CLEAR if len(days) == _WEEK else days


def write_fields(row: CampaignListing, accounts: list[str]) -> dict[str, object]:
    """Return the data of the form for a draft. `accounts`: the names of the accounts that are chosen."""
    speed, unit = _write_speed(row.interval_seconds)

    def moment(at: dt.datetime | None) -> str:
        return "" if at is None else at.astimezone(ZoneInfo(row.time_zone)).strftime(_MOMENT)

    return {
        "accounts": accounts,
        "speed": speed,
        "speed_unit": unit,
        "pause_after": _write(row.pause_after),
        "pause_minutes": _write(row.pause_seconds and row.pause_seconds / _MINUTE),
        "window_from": row.window_from and f"{row.window_from:%H:%M}",
        "window_to": row.window_to and f"{row.window_to:%H:%M}",
        "weekdays": [str(day) for day in row.weekdays],
        "uses_recipient_zones": row.uses_recipient_zones,
        "holidays": row.holidays,
        "time_zone": row.time_zone,
        "schedule": moment(row.scheduled_at),
        "start_within": _write(row.start_within_seconds and row.start_within_seconds / _MINUTE),
        "expire": moment(row.expire_at),
        "max_per_person": _write(row.max_per_person),
        "within_days": _write(row.within_days),
    }


def blame(field: Field, text: object) -> None:
    """Add an error to a field."""
    field.errors = [*field.errors, text]


def _read(field: Field, read: Callable[[str], Value]) -> Value | None:
    """Return the value of a field; None if the field is empty, or if its text cannot be read."""
    text = (field.data or "").strip()
    if not text:
        return None
    try:
        return read(text)
    except Refusal as refusal:
        blame(field, say(refusal))
    except _NoValueError as error:
        blame(field, str(error))
    return None


def _or_clear(value: Value | None) -> Value | Clear:
    return CLEAR if value is None else value


def _read_number(text: str) -> float:
    if has_thousands(text):
        whole = re.sub("[.,]", "", text)
        raise _NoValueError(
            _(
                "%(text)s has two meanings. Type %(whole)s without a point or a comma, or fewer decimals.",
                text=text,
                whole=whole,
            )
        )
    number = typed_number(text) if len(text) <= _LONGEST_NUMBER else None
    if number is None:
        raise _NoValueError(_("%(text)s is not a number. Type one such as 5 or 0.5.", text=text))
    return number


def _read_whole(text: str) -> int:
    number = _read_number(text)
    if number != int(number) or not 0 < number < 2**31:
        raise _NoValueError(_("%(text)s is not a whole number above 0.", text=text))
    return int(number)


def _read_minutes(text: str) -> float:
    minutes = _read_number(text)
    if minutes <= 0:
        raise _NoValueError(_("The number of minutes is above 0. Leave the field empty for none."))
    return minutes * _MINUTE


def _write(value: float | None) -> str:
    """Return a number as `_read_number` reads it: 1.125 gets another digit, because it may mean a thousand."""
    text = "" if value is None else f"{value:.10g}"
    return f"{text}0" if has_thousands(text) else text


def _write_speed(interval: float) -> tuple[str, str]:
    """Return the number and the unit of a speed: seconds, or a whole number per minute if the seconds are not whole."""
    if not interval:
        return "", SECONDS
    per_minute = _MINUTE / interval
    if interval != int(interval) and abs(per_minute - round(per_minute)) < 1e-6:  # noqa: PLR2004  a rounding error
        return _write(round(per_minute)), PER_MINUTE
    return _write(interval), SECONDS
