"""What options take: windows, weekdays, zones, names of templates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from campaigns.domain.campaign import CampaignError
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


WINDOW = Read("window", read_window)
WEEKDAYS = Read("weekdays", read_weekdays)
ZONE = Read("zone", read_zone)
DURATION = Read("duration", read_duration)
HOLIDAYS = Read("holidays", read_holidays)
FILE = click.Path(exists=True, dir_okay=False, readable=True)
