"""Finds the country of a phone, and its languages."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from babel.languages import get_official_languages
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneNumber, region_code_for_number

# A country code has one to three digits, and no country code is the beginning of another one.
_MOST_DIGITS = 3
# The country codes that countries of different prices share: +1 (the United States, Canada and islands) and +7 (Russia
# and Kazakhstan). The next three digits tell these countries apart. Any number with these digits will do.
_SHARED_CODES = ("1", "7")
_ANY_NUMBER = "2345678"
# The library has this name for codes that belong to no country, such as +870 for ships.
_NO_COUNTRY = "001"


def find_region(prefix: str) -> str:
    """Return the main country of a phone, or "" if it is unknown. `prefix`: its first three digits, without +."""
    return next(iter(_find_regions(prefix)), "")


@cache
def find_country(prefix: str) -> str:
    """Return the country of a phone, or "" if it is unknown. `prefix`: its first four digits, without +.

    Territories that share the country code of a larger country, such as Jersey, count as the larger country. Only the
    countries of +1 and +7 are told apart, by the area code.
    """
    code, area = prefix[:1], prefix[1:]
    if code in _SHARED_CODES:
        number = PhoneNumber(country_code=int(code), national_number=int(area + _ANY_NUMBER))
        found = region_code_for_number(number) or ""
    else:
        found = find_region(prefix[:_MOST_DIGITS])
    return "" if found == _NO_COUNTRY else found


@cache
def find_languages(prefix: str) -> frozenset[str]:
    """Return the languages of the countries of a phone, such as {"pt"}. `prefix`: its first three digits, without +.

    Regional languages count, too. The result is empty if the country is unknown, or if it has no official language.
    """
    named = (get_official_languages(region, regional=True, de_facto=True) for region in _find_regions(prefix))
    return frozenset(read_language(name) for names in named for name in names)


@cache
def find_main_languages(prefix: str) -> frozenset[str]:
    """Return the languages of the whole main country of a phone: no regional ones, and none of its other countries."""
    region = find_region(prefix)
    return frozenset(map(read_language, get_official_languages(region, de_facto=True))) if region else frozenset()


def _find_regions(prefix: str) -> Sequence[str]:
    """Return the countries of a country code, the main country first."""
    found = (COUNTRY_CODE_TO_REGION_CODE.get(int(prefix[:length])) for length in range(1, _MOST_DIGITS + 1))
    return next((regions for regions in found if regions), ())


def read_language(code: str) -> str:
    """Return the language of a code such as pt_BR, without its country and its script."""
    return code.partition("_")[0].casefold()
