"""The types of arguments and options: how their values are read, and which values the Tab key offers."""

from __future__ import annotations

import datetime as dt
import logging
import re
from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar
from zoneinfo import available_timezones

import click
from click.shell_completion import CompletionItem

from campaigns.cli.hints import _, in_commands, plural
from campaigns.cli.session import one_line
from campaigns.domain.campaign import ENDED, TRANSITIONS, CampaignStatus, Command
from campaigns.domain.filling import read_key
from campaigns.domain.message import Status
from campaigns.domain.phone.regions import read_region
from campaigns.domain.schedule import read_day, read_duration, read_holidays, read_weekdays, read_window, read_zone
from campaigns.domain.statement import Refusal
from campaigns.domain.text.normal import fold, is_copied_example
from campaigns.language import PORTUGUESE, language_of_person

if TYPE_CHECKING:
    from collections.abc import Callable

    from campaigns.store.database import Connection

T = TypeVar("T")
# A person who presses the Tab key waits at most this long for the database.
_WAIT_SECONDS = 1.0
# A refusal lists at most this many campaigns or names.
_NAMED = 5
_ID = re.compile(r"[0-9]{1,18}")
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_DECIMAL = re.compile(r"[+-]?[0-9]{0,18}\.?[0-9]{1,18}")


class Read(click.ParamType[Any]):
    """The type of an option whose value is read by a function of the domain."""

    def __init__(self, name: str, read: Callable[[str], Any]) -> None:
        self.name, self._read = name, read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return self._read(value)
        except Refusal as refusal:
            self.fail(in_commands(refusal), param, ctx)


class WholeNumber(click.IntRange):
    """The type of a whole number in a range. `example`: a number that an error names."""

    def __init__(self, least: int, most: int | None = None, *, example: int) -> None:
        super().__init__(least, most)
        self._example = example

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, int) and not _WHOLE.fullmatch(str(value).strip()):
            text = _("{text!r} is not a whole number, such as {example}.", text=value, example=str(self._example))
            self.fail(text, param, ctx)
        return super().convert(value, param, ctx)


class Number(click.FloatRange):
    """The type of a number in a range, which may have a decimal point."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, int | float) and not _DECIMAL.fullmatch(str(value).strip()):
            self.fail(_("{text!r} is not a number, such as 2 or 2.5 (with a point).", text=value), param, ctx)
        return super().convert(value, param, ctx)


def refuse_placeholder(_ctx: click.Context | None, _param: click.Parameter | None, value: str) -> str:
    """Return the value of an option or argument. Raises Refusal if it was copied from an example as it stands."""
    if is_copied_example(value):
        raise Refusal(
            "placeholder_copied",
            "{text} stands for a value of your own: write that value in its place.",
            text=value.strip(),
        )
    return value


def _read_mapping(text: str) -> tuple[str, str]:
    written, _, column = (part.strip() for part in text.partition("="))
    variable = read_key(written)
    refuse_placeholder(None, None, written)
    if not variable or not column:
        raise Refusal("mapping_invalid", "{text!r} is not VARIABLE=COLUMN, such as 1=nome.", text=text)
    return variable, column


def _read_region(text: str) -> str:
    try:
        return read_region(text)
    except ValueError as error:
        raise Refusal("region_invalid", "{text!r} {problem}.", text=text, problem=error.args[0]) from None


def _read_day(text: str) -> dt.date:
    if (day := read_day(text.strip())) is None:
        raise Refusal("day_invalid", "{text!r} is no day: write it as YYYY-MM-DD.", text=text)
    return day


def writes_day_first() -> bool:
    """Tell whether the person's language writes the day before the month, so that 01/12 is a day of December."""
    return language_of_person() == PORTUGUESE


REGION = Read("region", _read_region)
VARIABLE_MAP = Read("variable", _read_mapping)


class Setting(click.ParamType[Any]):
    """The type of an option `KEY=VALUE`. `KEY` alone has no value (None), and `KEY=` has an empty value."""

    name = "setting"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, tuple):
            return value
        key, has_value, text = value.partition("=")
        if not read_key(key):
            self.fail(_("{value!r} is not KEY=VALUE, such as 1=Ana.", value=value), param, ctx)
        refuse_placeholder(ctx, param, text)
        return read_key(key), text if has_value else None


SETTING = Setting()


def _read_statuses(text: str) -> list[Status]:
    """Read a list such as `failed,uncertain`. Raises Refusal for an unknown status; the refusal lists all statuses."""
    words = [word.strip() for word in text.split(",")]
    if unknown := [word for word in words if word not in {*Status}]:
        raise Refusal(
            "status_unknown",
            "{text!r} is not a status of a message; there are {statuses}.",
            text=unknown[0],
            statuses=[status.value for status in Status],
        )
    return [Status(word) for word in words]


class Statuses(Read):
    """The type of a list of statuses. The Tab key completes its last word."""

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[Any]]:
        before, comma, last = incomplete.rpartition(",")
        return [CompletionItem(f"{before}{comma}{status}") for status in Status if status.startswith(last)]


class CampaignId(click.types.IntParamType):
    """The type of a campaign's id.

    The Tab key offers the ids of the campaigns with these statuses, the newest first, but no id that is typed already.
    A name in place of the id is refused, because several campaigns may have the same name. The refusal lists the ids of
    the campaigns with that name.
    """

    def __init__(self, statuses: Iterable[CampaignStatus] = CampaignStatus) -> None:
        self._statuses = frozenset(statuses)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        text = str(value).strip()
        if not _ID.fullmatch(text):  # `int` also reads 1_0
            self.fail(_refuse_name(text), param, ctx)
        return int(text)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[Any]]:
        from campaigns.store.campaigns import list_campaigns  # noqa: PLC0415  loads a client of Postgres

        typed = ctx.params.get(param.name or "") or ()
        taken = set(typed if isinstance(typed, Sequence) else [typed])
        return [
            CompletionItem(str(row.id), help=one_line(row.name))
            for row in reversed(_find(list_campaigns))
            if str(row.id).startswith(incomplete) and row.status in self._statuses and row.id not in taken
        ]


def _refuse_name(text: str) -> str:
    from campaigns.store.campaigns import list_campaigns  # noqa: PLC0415  loads a client of Postgres

    # Whole words only: a single letter, which a person may have typed by mistake, occurs in most names.
    wanted = fold(text)
    rows = [row for row in reversed(_find(list_campaigns)) if wanted and f" {wanted} " in f" {fold(row.name)} "]
    rows = [row for row in rows if fold(row.name) == wanted] or rows
    if not rows:
        return _("{text!r} is not the id of a campaign. `revoada campaign list` shows all ids.", text=text)
    named = [
        _("{id} ({name}, {status})", id=row.id, name=row.name, status=CampaignStatus(row.status))
        for row in rows[:_NAMED]
    ]
    return plural(
        "{text!r} is no id, and this command takes an id. It fits the name of {count:,} campaign: {campaigns}.",
        "{text!r} is no id, and this command takes an id. It fits the names of {count:,} campaigns, the newest first:"
        " {campaigns}.",
        len(rows),
        text=text,
        campaigns=", ".join(named),
    )


class FilePath(click.Path):
    """The type of the path of a file."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        english, self.name = self.name, _("file")  # click has read this word before the language was chosen
        try:
            return super().convert(value, param, ctx)
        finally:
            self.name = english


class StoredName(click.types.StringParamType):
    """The type of the name of something that is stored. The Tab key offers all names that begin as the person typed.

    The refusal of a missing name lists names that are stored.

    `read`: a function of the package `campaigns.store`, as MODULE:FUNCTION. It is imported only for a completion.
    """

    def __init__(self, read: str, write: Callable[[Any], str] = lambda row: str(row.name)) -> None:
        self._read, self._write = read, write

    def get_missing_message(self, param: click.Parameter, ctx: click.Context | None) -> str | None:
        names = self._list_names()
        if not names:
            return None
        if len(names) > _NAMED:
            return _("Choose from {names} and others.", names=names[:_NAMED])
        return _("Choose from {names}.", names=names)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[Any]]:
        return [CompletionItem(name) for name in self._list_names() if name.startswith(incomplete)]

    def _list_names(self) -> list[str]:
        module, _colon, function = self._read.partition(":")
        rows: list[Any] = _find(getattr(import_module(f"campaigns.store.{module}"), function))
        return [*dict.fromkeys(one_line(self._write(row)) for row in rows)]


class Zone(Read):
    """The type of a time zone. The Tab key completes its name, or the name of its city."""

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[Any]]:
        begun = incomplete.casefold()
        return [
            CompletionItem(zone)
            for zone in sorted(available_timezones())
            if zone.casefold().startswith(begun) or zone.rpartition("/")[2].casefold().startswith(begun)
        ]


def _find(read: Callable[[Connection], list[T]]) -> list[T]:
    """Return the rows that `read` finds, or [] if the database cannot be read.

    Nothing is printed, because the person is in the middle of typing a command.
    """
    from dotenv import load_dotenv  # noqa: PLC0415  loads more than most commands need

    from campaigns.config import SettingsError, read_settings  # noqa: PLC0415
    from campaigns.store.database import Database, DatabaseError, DatabaseUnavailable  # noqa: PLC0415

    logging.getLogger().addHandler(logging.NullHandler())
    try:
        load_dotenv(".env", interpolate=False)
        settings = read_settings()
        database = Database(
            settings.database_url or "",
            max_connections=1,
            wait_seconds=_WAIT_SECONDS,
            statement_seconds=_WAIT_SECONDS,
            is_pooled=settings.is_pooled,
        )
        database.open()
        try:
            return database.run(read)
        finally:
            database.close()
    except (SettingsError, DatabaseError, *DatabaseUnavailable, OSError, UnicodeDecodeError):
        return []


CAMPAIGN = CampaignId()
CHANGEABLE_CAMPAIGN = CampaignId({*CampaignStatus} - ENDED)
DISCARDABLE_CAMPAIGN = CampaignId({CampaignStatus.DRAFT})
STARTED_CAMPAIGN = CampaignId({CampaignStatus.RUNNING, CampaignStatus.PAUSED, *ENDED})
RECIPIENTS_CAMPAIGN = CampaignId({CampaignStatus.DRAFT, CampaignStatus.PAUSED})
STARTABLE_CAMPAIGN, PAUSABLE_CAMPAIGN, RESUMABLE_CAMPAIGN, CANCELLABLE_CAMPAIGN, RETRYABLE_CAMPAIGN = (
    CampaignId(TRANSITIONS[command])
    for command in (Command.START, Command.PAUSE, Command.RESUME, Command.CANCEL, Command.RETRY)
)
ACCOUNT = StoredName("accounts:list_accounts")
PORTFOLIO = StoredName("portfolios:list_portfolios")
TEMPLATE = StoredName("templates:list_templates", lambda row: f"{row.name}:{row.language}")
WINDOW = Read("window", read_window)
WEEKDAYS = Read("weekdays", read_weekdays)
ZONE = Zone("zone", read_zone)
STATUSES = Statuses("statuses", _read_statuses)
DAY = Read("day", _read_day)
DURATION = Read("duration", read_duration)
HOLIDAYS = Read("holidays", read_holidays)
FILE = FilePath(exists=True, dir_okay=False, readable=True)
