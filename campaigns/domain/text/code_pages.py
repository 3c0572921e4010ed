"""Tells whether a text that is read in the encoding of Windows is in the encoding of DOS or of an old Mac.

Each encoding gives other characters to the bytes above 127. In the right encoding, the accents of a list are letters of
Portuguese or Spanish, in the case of the letters beside them.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

_WINDOWS = "cp1252"
_OTHERS = ("cp850", "cp860", "cp437", "mac_roman")
_LETTERS = frozenset("áàâãçéêíóôõúüñ" + "áàâãçéêíóôõúüñ".upper())
_ORDINALS = frozenset("ºª°")
# What Windows shows for letters of other systems. Beside a letter, these signs make no sense.
_SIGNS = frozenset(
    "\u201a\u0192\u201e\u2020\u2021\u02c6\u2030\u2039\xa1\xa2\xa3\xa4\xa5\xa6\xa7\xa8\xac\xaf\xb5\xb6\xb8\ufffd"
)
# á in cp850 and cp437 is a non-breaking space in Windows. Such a space between words seldom follows a consonant, unless
# a word such as "da" or "e" follows.
_CONSONANTS, _BEGIN_PARTICLES = frozenset("bcdfghjklmnpqrstvwxz"), frozenset("dey")
_CONTEXT = re.compile("(?=(.[\x80-\xff].))", re.DOTALL)


@dataclass(frozen=True, slots=True)
class OtherPage:
    """The signs that a text is in another encoding than that of Windows.

    `contexts`: the contexts whose letters make no sense in Windows. `is_certain`: one of them has no letter at all.
    """

    contexts: Collection[str]
    is_certain: bool


def list_contexts(text: str) -> set[str]:
    """Return each character above 127 with the one before and the one behind it. `text`: each character is a byte."""
    return set(_CONTEXT.findall(f" {text} "))


def find_other_page(contexts: Collection[str]) -> OtherPage | None:
    """Return the contexts that make no sense in Windows, if all contexts make sense in one other encoding."""
    odd = [each for each in contexts if _tell(each, _WINDOWS) is False]
    if not odd or not any(all(_tell(each, page) is not False for each in contexts) for page in _OTHERS):
        return None
    return OtherPage(odd, any(_read(each, _WINDOWS)[1] in _SIGNS for each in odd))


def _read(context: str, page: str) -> str:
    return context.encode("latin-1").decode(page, "replace")


def _tell(context: str, page: str) -> bool | None:
    """Tell whether a character makes sense in an encoding; None if it stands apart from letters, or may be a sign."""
    before, letter, after = tuple(_read(context, page))
    if not (before.isalpha() or after.isalpha()):
        return None
    if letter in _LETTERS:
        return (
            not after.isupper()
            if letter.islower()
            else not (before.islower() or (before.isalpha() and after.islower()))
        )
    if letter in _ORDINALS:
        return None
    if page == _WINDOWS and letter == "\xa0":
        return None if before.lower() not in _CONSONANTS or after in _BEGIN_PARTICLES or not after.islower() else False
    if page == _WINDOWS and not letter.isalpha() and letter not in _SIGNS:  # a dash, a quote, a space …
        return None
    return False
