"""The regional settings that Excel reads from a computer, by language: separators, names, dates, TRUE and FALSE.

A workbook does not contain the settings of its author's computer, so the language of the campaign selects the settings.
The data come from Unicode's CLDR, through the library `babel`. The tables in this module hold data that the CLDR lacks,
and data in which Windows and Excel differ from the CLDR.
"""

from __future__ import annotations

import locale
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TypeVar

from babel import Locale, UnknownLocaleError
from babel.localedata import LocaleDataDict


class FormatError(ValueError):
    """It is not known what Excel shows. The message is the reason, in a clause that follows the name of a format."""


@dataclass(frozen=True, slots=True)
class _Habits:
    """The formats of dates and times in Windows, as format codes of Excel.

    `day_month_year`: the built-in formats of day, month and year; of day and month; and of month and year. Excel gives
    these formats to cells in which a person types a date such as 30/nov. `hour`: the format of hours without AM and PM.
    """

    short_date: str
    day_month_year: tuple[str, str, str] = ("dd-mmm-yy", "dd-mmm", "mmm-yy")
    hour: str = "hh"
    long_date: str = ""
    time: str = ""


_BRAZIL = _Habits("dd/mm/yyyy", ("d/mmm/yy", "d/mmm", "mmm/yy"), "hh", 'dddd, d" de "mmmm" de "yyyy', "hh:mm:ss")
_SPAIN = _Habits("dd/mm/yyyy", hour="h", long_date='dddd, d" de "mmmm" de "yyyy', time="h:mm:ss")
_USA = _Habits("m/d/yyyy", ("d-mmm-yy", "d-mmm", "mmm-yy"), "h", "dddd, mmmm d, yyyy", "h:mm:ss AM/PM")
_HABITS = {
    "pt": _BRAZIL,
    "pt_BR": _BRAZIL,
    "pt_PT": _Habits("dd/mm/yyyy", ("dd/mmm/yy", "dd/mmm", "mmm/yy"), time="hh:mm:ss"),
    "en": _USA,
    "en_US": _USA,
    "en_GB": _Habits("dd/mm/yyyy", long_date="dd mmmm yyyy", time="hh:mm:ss"),
    "es": _SPAIN,
    "es_ES": _SPAIN,
    "es_MX": _Habits("dd/mm/yyyy", hour="hh", long_date='dddd, d" de "mmmm" de "yyyy'),
    "fr": _Habits("dd/mm/yyyy", long_date="dddd d mmmm yyyy", time="hh:mm:ss"),
    "de": _Habits("dd.mm.yyyy", ("dd. mmm yy", "dd. mmm", "mmm yy"), "hh", "dddd, d. mmmm yyyy", "hh:mm:ss"),
    "it": _Habits("dd/mm/yyyy", long_date="dddd d mmmm yyyy", time="hh:mm:ss"),
}
_BOOLEANS = {
    "de": ("FALSCH", "WAHR"),
    "en": ("FALSE", "TRUE"),
    "es": ("FALSO", "VERDADERO"),
    "fr": ("FAUX", "VRAI"),
    "id": ("FALSE", "TRUE"),
    "it": ("FALSO", "VERO"),
    "nl": ("ONWAAR", "WAAR"),
    "pl": ("FAŁSZ", "PRAWDA"),
    "pt": ("FALSO", "VERDADEIRO"),
    "ru": ("ЛОЖЬ", "ИСТИНА"),
    "tr": ("YANLIŞ", "DOĞRU"),
}
# By language, the short names of the months in Windows, where they differ from the names in the CLDR.
_SHORT_MONTHS = {"de": ("Jan", "Feb", "Mrz", "Apr", "Mai", "Jun", "Jul", "Aug", "Sep", "Okt", "Nov", "Dez")}
# By language, the locale that supplies the names of months and days for all countries of the language. In the CLDR the
# names differ between these countries.
_NAMES_OF = {"en": "en_US", "es": "es_MX", "pt": "pt_BR"}
_AM_PM_LANGUAGES = frozenset(
    {"en", "pt"}
)  # in other languages Excel writes a. m., or a text from the computer's settings

_T = TypeVar("_T")
_DATE_LETTER = re.compile(r"[yMd]+")


@dataclass(frozen=True, slots=True)
class Regional:
    """The regional settings of a language. A setting is None if it is not known what Excel shows in the language.

    `groups`: the number of digits to the right of the last separator of thousands, and between two separators.
    """

    language: str
    symbols: tuple[str, str] | None = None
    groups: tuple[int, int] = (3, 3)
    habits: _Habits | None = None
    names: _Names | None = None
    booleans: tuple[str, str] | None = None
    has_am_pm: bool = False

    @property
    def decimal(self) -> str:
        return self._need(self.symbols)[0]

    @property
    def group(self) -> str:
        return self._need(self.symbols)[1]

    @property
    def date_separator(self) -> str:
        return _DATE_LETTER.sub("", self._need(self.habits).short_date.replace("m", "M"))[:1]

    @property
    def long_date(self) -> str:
        return self._need(self._need(self.habits).long_date)

    @property
    def time(self) -> str:
        return self._need(self._need(self.habits).time)

    def month(self, number: int, *, is_short: bool, is_alone: bool) -> str:
        """Return the name of a month.

        `is_alone`: the format shows no day of the month. In Slavic languages a month has another name beside a day.
        """
        return self._need(self.names).months[is_short, is_alone][number - 1]

    def weekday(self, number: int, *, is_short: bool) -> str:
        """Return the name of a day of the week. 0 is Saturday: Excel's serial number 0 is a Saturday."""
        return self._need(self.names).weekdays[is_short][number]

    def boolean(self, value: bool) -> str:  # noqa: FBT001
        return self._need(self.booleans)[value]

    def built_in(self, number: int) -> str | None:
        """Return the code of a built-in number format, which workbooks name by a number; None for an unknown number."""
        if number in _BUILT_IN:
            return _BUILT_IN[number]
        if number not in _BUILT_IN_DATES:
            return None
        habits = self._need(self.habits)
        hour = habits.hour
        day_month_year, day_month, month_year = habits.day_month_year
        return {
            14: habits.short_date,
            15: day_month_year,
            16: day_month,
            17: month_year,
            20: f"{hour}:mm",
            21: f"{hour}:mm:ss",
            22: f"{habits.short_date} {hour}:mm",
        }[number]

    def with_names_of(self, other: Regional) -> Regional:
        """Return these settings with the month and day names of `other`, for a format that names its own language."""
        return replace(self, language=other.language, names=other.names, has_am_pm=other.has_am_pm)

    def _need(self, value: _T | None) -> _T:
        if not value:
            raise FormatError(f"which depends on the language, and what Excel shows in {self.language} is not known")
        return value


@dataclass(frozen=True, slots=True)
class _Names:
    """The names of the months from January, by (is short, is alone), and of the days from Saturday, by (is short)."""

    months: Mapping[tuple[bool, bool], Sequence[str]]
    weekdays: Mapping[bool, Sequence[str]]


_BUILT_IN = {
    0: "General",
    1: "0",
    2: "0.00",
    3: "#,##0",
    4: "#,##0.00",
    9: "0%",
    10: "0.00%",
    11: "0.00E+00",
    12: "# ?/?",
    13: "# ??/??",
    18: "h:mm AM/PM",
    19: "h:mm:ss AM/PM",
    37: "#,##0_);(#,##0)",
    38: "#,##0_);[Red](#,##0)",
    39: "#,##0.00_);(#,##0.00)",
    40: "#,##0.00_);[Red](#,##0.00)",
    41: '_(* #,##0_);_(* (#,##0);_(* "-"_);_(@_)',
    43: '_(* #,##0.00_);_(* (#,##0.00);_(* "-"??_);_(@_)',
    45: "mm:ss",
    46: "[h]:mm:ss",
    47: "mm:ss.0",
    48: "##0.0E+0",
    49: "@",
}
_BUILT_IN_DATES = frozenset({14, 15, 16, 17, 20, 21, 22})


@cache
def find_regional(language: str) -> Regional:
    """Return the settings of a language such as pt_BR. For an unknown language the settings are None."""
    found = _find_locale(language)
    if found is None or found.default_numbering_system != "latn":
        return Regional(language)
    name = found.language if found.territory is None else f"{found.language}_{found.territory}"
    symbols = found.number_symbols["latn"]
    return Regional(
        language,
        symbols=(symbols["decimal"], symbols["group"]),
        groups=found.decimal_formats[None].grouping,
        habits=_HABITS.get(name) or _HABITS.get(found.language if language == found.language else "") or _guess(found),
        names=_find_names(_find_locale(_NAMES_OF.get(found.language, language)) or found),
        booleans=_BOOLEANS.get(found.language),
        has_am_pm=found.language in _AM_PM_LANGUAGES,
    )


def find_lcid(text: str) -> str:
    """Return the language that a number format names by a Windows code such as 416, 0416 or pt-BR.

    Raises FormatError.
    """
    if re.fullmatch("[0-9a-f]{1,8}", text):
        number = int(text, 16)
        # The higher bits are the number of a calendar and the number of a form of digits. Of both numbers, only 0 and 1
        # are supported.
        if (
            (number >> 16) & 0xFF in {0, 1}
            and number >> 24 in {0, 1}
            and (name := locale.windows_locale.get(number & 0xFFFF))
        ):
            return name
    elif _find_locale(text.replace("-", "_")):
        return text.replace("-", "_")
    raise FormatError(f"which names the language, calendar or digits {text[:20]}, which are not supported")


def _find_locale(language: str) -> Locale | None:
    for name in (language, language.partition("_")[0]):
        try:
            return Locale.parse(name)
        except (UnknownLocaleError, ValueError):
            continue
    return None


def _guess(found: Locale) -> _Habits:
    """Return the short date format of a language from the CLDR, with four digits of the year."""
    pattern = re.sub("y+", "yyyy", found.date_formats["short"].pattern.replace("\u200f", "")).replace("M", "m")
    return _Habits(pattern)


def _find_names(found: Locale) -> _Names:
    months = {
        (is_short, is_alone): _list(
            found.months["stand-alone" if is_alone else "format"], range(1, 13), is_short=is_short
        )
        for is_short in (False, True)
        for is_alone in (False, True)
    }
    if short := _SHORT_MONTHS.get(found.language):
        months[True, False] = months[True, True] = short
    days = (5, 6, 0, 1, 2, 3, 4)
    return _Names(
        months, {is_short: _list(found.days["format"], days, is_short=is_short) for is_short in (False, True)}
    )


def _list(names: LocaleDataDict, keys: Sequence[int], *, is_short: bool) -> tuple[str, ...]:
    """Return names in the order of `keys`. Short names lose the full stop at the end, which Windows does not write."""
    chosen = names["abbreviated" if is_short else "wide"]
    return tuple(chosen[key].removesuffix(".") if is_short else chosen[key] for key in keys)
