"""What options take: windows, weekdays, zones, names of templates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from campaigns.domain.campaign import CampaignError
from campaigns.domain.filling import read_key
from campaigns.domain.schedule import read_weekdays, read_window, read_zone

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


class Setting(click.ParamType[Any]):
    """`KEY=VALUE`, or `KEY` alone: then there is no value."""

    name = "setting"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, tuple):
            return value
        key, has_value, text = value.partition("=")
        if not read_key(key):
            self.fail(f"{value!r} is not KEY=VALUE, such as 1=Ana.", param, ctx)
        return read_key(key), text if has_value else None


SETTING = Setting()
WINDOW = Read("window", read_window)
WEEKDAYS = Read("weekdays", read_weekdays)
ZONE = Read("zone", read_zone)
FILE = click.Path(exists=True, dir_okay=False, readable=True)
