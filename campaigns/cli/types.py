"""What options take: windows, weekdays, zones, names of templates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from campaigns.domain.campaign import CampaignError
from campaigns.domain.filling import read_key
from campaigns.domain.message import Status
from campaigns.domain.phone.regions import read_region
from campaigns.domain.schedule import read_duration, read_holidays, read_weekdays, read_window, read_zone

if TYPE_CHECKING:
    from collections.abc import Callable


class Read(click.ParamType[Any]):
    """An option that is read by a function of the domain."""

    def __init__(self, name: str, read: Callable[[str], Any]) -> None:
        self.name, self._read = name, read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return self._read(value)
        except CampaignError as error:
            self.fail(str(error), param, ctx)


def _read_mapping(text: str) -> tuple[str, str]:
    variable, _, column = (part.strip() for part in text.partition("="))
    if not variable or not column:
        raise CampaignError(f"{text!r} is not VARIABLE=COLUMN, such as 1=nome.")
    return variable, column


def _read_region(text: str) -> str:
    try:
        return read_region(text)
    except ValueError as error:
        raise CampaignError(f"{text!r} {error}.") from None


REGION = Read("region", _read_region)
VARIABLE_MAP = Read("variable", _read_mapping)


class Setting(click.ParamType[Any]):
    """`KEY=VALUE`, or `KEY` alone: then there is no value. `KEY=` is an empty one."""

    name = "setting"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, tuple):
            return value
        key, has_value, text = value.partition("=")
        if not read_key(key):
            self.fail(f"{value!r} is not KEY=VALUE, such as 1=Ana.", param, ctx)
        return read_key(key), text if has_value else None


SETTING = Setting()


def _read_statuses(text: str) -> list[Status]:
    """Read `failed,uncertain`. Raise CampaignError with the statuses that there are."""
    words = [word.strip() for word in text.split(",")]
    if unknown := [word for word in words if word not in {*Status}]:
        raise CampaignError(f"{unknown[0]!r} is not a status of a message; there are {', '.join(Status)}.")
    return [Status(word) for word in words]


WINDOW = Read("window", read_window)
WEEKDAYS = Read("weekdays", read_weekdays)
ZONE = Read("zone", read_zone)
STATUSES = Read("statuses", _read_statuses)
DURATION = Read("duration", read_duration)
HOLIDAYS = Read("holidays", read_holidays)
FILE = click.Path(exists=True, dir_okay=False, readable=True)
