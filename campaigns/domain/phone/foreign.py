"""Finds phones without a country code that were read as phones of the region, but may be those of another country."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import phonenumbers

from campaigns.domain.phone.languages import find_languages, find_region, read_language
from campaigns.domain.phone.mask import mask_number
from campaigns.domain.phone.number import make_phone_classifier
from campaigns.domain.phone.regions import REGIONS
from campaigns.domain.text.normal import standardize

# The countries that the language of a template may mean, if its code names no country.
_COUNTRIES = {"en": ("GB", "US"), "es": ("ES", "MX", "AR", "CO", "CL", "PE")}
# The country of which a phone with a leading 0 is the most likely, if nothing else names a country.
_USUAL = "GB"
# The countries whose phones people may have in a list, if neither other phones nor the language name a country.
_LIKELY = ("BR", "PT", "GB", "US", "ES", "MX", "AR", "CO", "CL", "PE", "UY", "PY", "FR", "DE", "IT", "AO", "MZ", "IN")
_BY_LANGUAGE = {**_COUNTRIES, "pt": ("BR", "PT", "AO", "MZ")}
_LOCAL_DIGITS = range(8, 10)  # of a phone of Brazil without its area code
_NEARLY_ALL = 0.9  # of the phones
_KEPT_ROWS = 5_000
_SHOWN_ROWS = 10
_CODE_DIGITS = 3  # of the longest country codes
_Type = phonenumbers.PhoneNumberType


def lacks_country_code(text: str, number: str) -> bool:
    """Tell whether a text has no country code. `number`: the phone in E.164 that was read from it."""
    plain = standardize(text)
    digits = _join_digits(text).lstrip("0")
    return "+" not in plain and not digits.startswith(number[1:])


def may_be_foreign(text: str, number: str, region: str) -> bool:
    """Tell whether a typed phone may be one of another country, although it was read as one of `region`.

    People write a 0 before the mobile phones of many countries, as in 07721 234567. So a text is doubtful if it begins
    with 0, has no country code and is no mobile phone of `region`.
    """
    begins_with_0 = standardize(text).lstrip("( ").startswith("0")
    return begins_with_0 and lacks_country_code(text, number) and make_phone_classifier(region)(number) is not None


def find_other_regions(texts: Sequence[str], region: str, language: str, abroad: Iterable[str] = ()) -> list[str]:
    """Return the countries in which nearly all phones of a list would be valid, the most likely first.

    `texts`: phones without a + that are not valid in `region`. `language`: that of the template. `abroad`: the first
    three digits of other phones of the list. Countries that neither these phones nor the language name are returned
    only if none of the others fits. The last try is the country whose code the phones begin with, because a
    spreadsheet drops the + of a number.
    """
    abroad = list(abroad)
    named = [each for prefix in abroad if (each := find_region(prefix))]
    named += [language.rpartition("_")[2], *_BY_LANGUAGE.get(read_language(language), ())]
    codes = Counter(find_region(_join_digits(text)[:_CODE_DIGITS]) for text in texts)
    tries: tuple[Sequence[str], ...] = (named, _LIKELY, [each for each, _count in codes.most_common(1)])
    if region == "BR" and sum(len(_join_digits(text)) in _LOCAL_DIGITS for text in texts) * 2 > len(texts):
        # Most phones of Brazil without their area code would be valid in Angola, and many in other countries. Only the
        # list or the template may name such a country. Few of them would be valid in Portugal.
        own = {*(find_region(prefix) for prefix in abroad), language.rpartition("_")[2], "PT"}
        tries = ([each for each in named if each in own],)
    for countries in tries:
        fitting = [
            each
            for each in dict.fromkeys(countries)
            if each in REGIONS
            and each != region
            and sum(may_be_mobile(text, each) for text in texts) >= _NEARLY_ALL * len(texts)
        ]
        if texts and fitting:
            return fitting
    return []


class PhonesAbroad(NamedTuple):
    """Rejected phones without a country code that would be mobile phones of another country, and their first rows."""

    country: str
    code: str
    phone_count: int
    rows: list[int]


def find_phones_abroad(
    texts: Sequence[tuple[int, str]], region: str, language: str, abroad: Iterable[str] = ()
) -> list[PhonesAbroad]:
    """Return the phones of a list with people of several countries that lack their country code.

    `texts`: by row number, phones without a + that are not valid in `region`. `language` and `abroad`: as for
    `find_other_regions`. A phone counts for the first country that fits: the countries of other phones come first. The
    language alone names no country for a phone of 8 or 9 digits in a list of Brazil: such a phone lacks its area code.
    """
    by_phones = [each for prefix in abroad if (each := find_region(prefix))]
    territory = language.rpartition("_")[2]
    by_language = [territory, *_BY_LANGUAGE.get(read_language(language), ())]
    rows: dict[str, list[int]] = {}
    for row_number, text in texts:
        is_local = region == "BR" and len(_join_digits(text)) in _LOCAL_DIGITS
        named = [*by_phones, territory] if is_local else [*by_phones, *by_language]
        countries = (each for each in dict.fromkeys(named) if each in REGIONS and each != region)
        country = next((each for each in countries if may_be_mobile(text, each)), None)
        if country is not None:
            rows.setdefault(country, []).append(row_number)
    return [
        PhonesAbroad(country, str(phonenumbers.country_code_for_region(country)), len(found), found[:_SHOWN_ROWS])
        for country, found in rows.items()
    ]


def _join_digits(text: str) -> str:
    return "".join(filter(str.isdecimal, standardize(text)))


def may_be_mobile(text: str, region: str) -> bool:
    """Tell whether a text, read in a country, is a valid number that may be a mobile phone."""
    try:
        parsed = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return False
    return phonenumbers.number_type(parsed) in {_Type.MOBILE, _Type.FIXED_LINE_OR_MOBILE}


@dataclass(frozen=True, slots=True)
class ForeignPhones:
    """Phones of a list that may be those of another country.

    `count`: their number. `row_number` and `shown`: the first, as it was read, masked. `region`: the country whose
    phones were read. `likely`: the country whose phones they may be; "" if none is likely.
    """

    count: int
    row_number: int
    shown: str
    region: str
    likely: str


class ForeignSearch:
    """Looks for such phones among the accepted rows of a list.

    A mobile phone of the region is never doubtful, and neither is a phone in the groups that people use in Brazil. Any
    other phone is doubtful if it would be a mobile phone of a country that other rows of the list or the language of
    the template name. Without such a country, a phone is doubtful if its groups are not those of Brazil, as in
    07721 234567, or if it begins with 0, and the list has no mobile phone of the region.

    `language`: the language of the template; "" for a list without a template.
    """

    def __init__(self, region: str, language: str = "") -> None:
        self._region, self._language = region, language
        self._classify = make_phone_classifier(region)
        self._code = str(phonenumbers.country_code_for_region(region))
        self._abroad = Counter[str]()
        self._has_mobiles = False
        self._rows: list[tuple[int, str, str]] = []

    def add(self, row_number: int, text: str, number: str) -> None:
        """Add an accepted row. `number`: the phone in E.164 that was read from `text`."""
        if not number.startswith(f"+{self._code}"):
            self._abroad[number[1:4]] += 1
        elif self._classify(number) is None:
            self._has_mobiles = True
        elif len(self._rows) < _KEPT_ROWS and lacks_country_code(text, number):
            groups = re.findall(r"[0-9]+", standardize(text))
            if self._region != "BR" or not _is_brazilian(groups):
                self._rows.append((row_number, number, " ".join(groups)))

    @property
    def abroad(self) -> list[str]:
        """The first three digits of the phones of other countries, the most frequent first."""
        return [prefix for prefix, _count in self._abroad.most_common()]

    def find(self) -> ForeignPhones | None:
        countries = self._list_countries()
        fitting = Counter(each for each in countries for _, _, text in self._rows if self._fits(text, each))
        likely = max(countries, key=lambda each: fitting[each], default="")
        if fitting[likely]:
            rows = [row for row in self._rows if self._is_odd(row[2]) or self._fits(row[2], likely)]
        else:
            rows = [row for row in self._rows if self._is_odd(row[2])]
            likely = _USUAL if any(_fits(text, _USUAL) for _, _, text in rows) else ""
        if not rows:
            return None
        row_number, number, _ = rows[0]
        return ForeignPhones(len(rows), row_number, mask_number(number), self._region, likely)

    def _list_countries(self) -> list[str]:
        """Return the countries of the other rows, the most frequent first, and those of the template's language."""
        found = [region for prefix, _ in self._abroad.most_common() if (region := find_region(prefix))]
        language, territory = read_language(self._language), self._language.rpartition("_")[2]
        if territory in REGIONS:
            found.append(territory)
        if language and language not in find_languages(self._code):
            found += _COUNTRIES.get(language, (language.upper(),))
        return [each for each in dict.fromkeys(found) if each in REGIONS and each != self._region]

    def _fits(self, text: str, region: str) -> bool:
        """Tell whether a text would be a mobile phone of a country.

        In countries such as the USA, a number does not show whether it is a mobile phone, so each number fits. There
        the groups of the number, or the lack of mobile phones in the list, must add to the doubt.
        """
        return _fits(text, region, takes_any=not self._has_mobiles or self._is_odd(text))

    def _is_odd(self, text: str) -> bool:
        if self._region != "BR":
            return False
        first, *others = text.split()
        if others:
            return len(first) in {4, 5} or (len(first) == _AREA and first[0] != "0")
        return first[0] == "0" and not self._has_mobiles and _fits(text, _USUAL)


_AREA = 3


def _is_brazilian(groups: list[str]) -> bool:
    """Tell whether the digits are in groups that people use in Brazil: 11 3333 4444, 011 3333 4444, 0 11 3333 4444."""
    first, *others = groups
    return bool(others) and (len(first) in {1, 2} or (len(first) == _AREA and first[0] == "0"))


def _fits(text: str, region: str, *, takes_any: bool = False) -> bool:
    try:
        parsed = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return False
    kind = phonenumbers.number_type(parsed)
    is_mobile = kind == _Type.MOBILE or (takes_any and kind == _Type.FIXED_LINE_OR_MOBILE)
    return is_mobile and phonenumbers.is_valid_number_for_region(parsed, region)
