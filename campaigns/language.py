"""The languages of the command line and of the log: English, and the catalogues of gettext in the folder `locale`.

The English text of a message is its key in a catalogue. `make messages` writes the catalogues (see CONTRIBUTING.md).
Babel is imported only to format money, or a value in a language other than English, so English processes start without
it.
"""

from __future__ import annotations

import datetime as dt
import gettext
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from decimal import ROUND_CEILING, Decimal
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from campaigns.domain.statement import Count, Duration, Language, Moment, Money, Sentence, Word

ENGLISH, PORTUGUESE = "en", "pt_BR"
# The name of the catalogues' files.
DOMAIN = "revoada"
FOLDER = Path(__file__).parent / "locale"
# The context of names such as FILE, which stand for a value in a command. gettext tells equal texts apart by a context.
METAVAR = "metavar"
# The context of the kinds of account events.
EVENT = "event"

# The first of these variables that is set names the language. All but the first are those of gettext.
_VARIABLES = ("REVOADA_LANGUAGE", "LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")
_BY_PREFIX = {"en": ENGLISH, "c": ENGLISH, "posix": ENGLISH, "pt": PORTUGUESE}
# The least number of seconds that is written in a unit, the size of the unit, and the text.
DURATIONS = ((172_800, 86_400, "{number} days"), (7_200, 3_600, "{number} h"), (120, 60, "{number} min"))


def read_language(text: str) -> str:
    """Return the language that a text such as `pt_BR`, `pt-br` or `en_US.UTF-8` names. Raises ValueError."""
    prefix = text.strip().lower().replace("-", "_").partition(".")[0].partition("@")[0].partition("_")[0]
    if prefix not in _BY_PREFIX:
        raise ValueError(Sentence("must be pt_BR or en"))
    return _BY_PREFIX[prefix]


def find_language(environment: Mapping[str, str]) -> str:
    """Return the language of REVOADA_LANGUAGE, or else the language of the system; English if it has no catalogue."""
    text = next((environment[name] for name in _VARIABLES if environment.get(name, "").strip()), ENGLISH)
    for each in text.split(":"):  # LANGUAGE may be a list
        try:
            return read_language(each)
        except ValueError:
            continue
    return ENGLISH


class Translation(Language):
    """A language with its catalogue. English has no catalogue, because its texts are the keys of the catalogues."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._catalogue = gettext.NullTranslations() if name == ENGLISH else gettext.translation(DOMAIN, FOLDER, [name])

    def translate(self, text: str) -> str:
        return self._catalogue.gettext(text) if text else ""  # gettext returns the catalogue's header for ""

    def translate_in(self, context: str, text: str) -> str:
        return self._catalogue.pgettext(context, text) if text else ""

    def translate_word(self, value: StrEnum) -> str:
        """Return a status or a similar value in words. Its class is the context, because `paused` has two genders."""
        return self.translate_in(type(value).__name__, str(value))

    def plural(self, one: str, many: str, count: float) -> str:
        """Return the form of a text for a number. The places of the text are not filled yet."""
        return self._catalogue.ngettext(one, many, count)  # type: ignore[arg-type]

    def count(self, number: int, noun: str) -> str:
        """Return a number of things: `1 message`, `2,000 messages`."""
        text = self.plural(f"{{number}} {noun}", f"{{number}} {noun}s", number)
        return text.replace("{number}", self.format_number(number, ","))

    def format(self, value: Any, format_spec: str) -> str:
        text = self._format_in_words(value)
        if text is None and isinstance(value, int | float) and format_spec:
            return self.format_number(value, format_spec)
        return super().format(value, format_spec) if text is None else text

    def _format_in_words(self, value: object) -> str | None:
        match value:
            case Word():
                return self.translate(value)
            case StrEnum():
                return self.translate_word(value)
            case Count(number, noun):
                return self.count(number, noun)
            case Duration(seconds):
                return self._format_duration(seconds)
            case Moment(at, time_zone):
                return self.local_time(at, time_zone)
        return self._format_money(value) if isinstance(value, Money) else None

    def _format_duration(self, seconds: float) -> str:
        for least, size, text in DURATIONS:
            if seconds >= least:
                return self.translate(text).replace("{number}", f"{seconds // size:g}")
        return str(Duration(seconds))

    def format_number(self, number: float, format_spec: str) -> str:
        """Return a number as a specification such as `,` or `.1f` says, with the separators of the language."""
        text = format(number, format_spec)
        if self.name == ENGLISH:
            return text
        from babel.numbers import get_decimal_symbol, get_group_symbol  # noqa: PLC0415

        return text.translate({ord(","): get_group_symbol(self.name), ord("."): get_decimal_symbol(self.name)})

    def _format_money(self, money: Money) -> str:
        from babel.numbers import format_currency  # noqa: PLC0415

        return format_currency(money.amount, money.currency, locale=self.name, decimal_quantization=not money.is_price)

    def local_time(self, at: dt.datetime | None, time_zone: str) -> str:
        """Return a time as the clocks of a zone show it, with the zone's short name; "" for no time."""
        if at is None:
            return ""
        local = at.astimezone(ZoneInfo(time_zone))
        if self.name == ENGLISH:
            return local.strftime("%Y-%m-%d %H:%M:%S %Z")
        from babel.dates import format_date, format_time  # noqa: PLC0415

        date = format_date(local, "short", locale=self.name)
        return f"{date} {format_time(local, 'medium', locale=self.name)} {local:%Z}"


@cache
def load(name: str) -> Translation:
    return Translation(name)


class _Chosen:
    """The language of this process. A command has one language from its start to its end.

    `of_person`: the language in which the person types, which is another one if a program reads the output.
    """

    name = of_person = ENGLISH


def current() -> Translation:
    return load(_Chosen.name)


def language_of_person() -> str:
    return _Chosen.of_person


def choose(name: str, *, of_person: str | None = None) -> None:
    """Let this process write its texts in a language. click's own texts follow, because click uses gettext as well.

    `of_person`: the language in which the person types, if it is another one.
    """
    _Chosen.name, _Chosen.of_person = name, of_person or name
    gettext.bindtextdomain(DOMAIN, str(FOLDER))
    gettext.textdomain(DOMAIN)
    os.environ["LANGUAGE"] = name


@contextmanager
def restoring() -> Iterator[None]:
    """Take back what `choose` has done within the block."""
    before, variable, domain = (_Chosen.name, _Chosen.of_person), os.environ.get("LANGUAGE"), gettext.textdomain()
    try:
        yield
    finally:
        _Chosen.name, _Chosen.of_person = before
        os.environ.pop("LANGUAGE", None)
        if variable is not None:
            os.environ["LANGUAGE"] = variable
        gettext.textdomain(domain)


def round_up(money: Money) -> Money:
    """Return an amount that is at least this one, with the decimals of the currency."""
    from babel.numbers import get_currency_precision  # noqa: PLC0415

    unit = Decimal(1).scaleb(-get_currency_precision(money.currency))
    return replace(money, amount=money.amount.quantize(unit, ROUND_CEILING))
