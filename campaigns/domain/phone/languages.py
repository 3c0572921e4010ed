"""Finds the languages of the country of a phone."""

from __future__ import annotations

from functools import cache

from babel.languages import get_official_languages
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

# A country code has one to three digits, and no country code is the beginning of another one.
_MOST_DIGITS = 3


@cache
def find_languages(prefix: str) -> frozenset[str]:
    """Return the languages of the countries of a phone, such as {"pt"}. `prefix`: its first three digits, without +.

    Regional languages count, too. The result is empty if the country is unknown, or if it has no official language.
    """
    for length in range(1, _MOST_DIGITS + 1):
        if regions := COUNTRY_CODE_TO_REGION_CODE.get(int(prefix[:length])):
            named = (get_official_languages(region, regional=True, de_facto=True) for region in regions)
            return frozenset(read_language(name) for names in named for name in names)
    return frozenset()


def read_language(code: str) -> str:
    """Return the language of a code such as pt_BR, without its country and its script."""
    return code.partition("_")[0].casefold()
