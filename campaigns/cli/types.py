"""What options take: windows, weekdays, zones, names of templates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from campaigns.domain.campaign import CampaignError
from campaigns.domain.phone import read_region
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
WINDOW = Read("window", read_window)
WEEKDAYS = Read("weekdays", read_weekdays)
ZONE = Read("zone", read_zone)
FILE = click.Path(exists=True, dir_okay=False, readable=True)
