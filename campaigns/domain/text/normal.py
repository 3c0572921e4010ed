"""The normal forms of a text: for the reading of phones, for the comparison of words, and for a value that is sent.

All modules that read phones, headers of lists, values and answers use these functions, so that the same invisible
characters make no difference anywhere.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from difflib import get_close_matches

_MOST_KEPT = 10_000  # the number of characters whose replacement is kept


class _Table(dict[int, str]):
    """The replacement of each character, computed when the character is first used."""

    def __missing__(self, code: int) -> str:
        replacement = self._replace(chr(code))
        if len(self) < _MOST_KEPT:
            self[code] = replacement
        return replacement

    def _replace(self, letter: str) -> str:
        raise NotImplementedError


class _Marks(_Table):
    """Drops invisible marks, and makes each space a plain space and each dash a hyphen."""

    def _replace(self, letter: str) -> str:
        category = unicodedata.category(letter)
        if category == "Cf":
            return ""
        return " " if category == "Zs" else "-" if category == "Pd" or letter in _DASHES else letter


class _Letters(_Table):
    """Drops accents, invisible marks and apostrophes, which belong to the letter before them.

    All other characters, except letters and digits, separate two words.
    """

    def _replace(self, letter: str) -> str:
        if unicodedata.category(letter) in _UNSEEN or letter in _APOSTROPHES:
            return ""
        return letter if letter.isalnum() else " "


_UNSEEN = frozenset({"Mn", "Me", "Cf"})
_APOSTROPHES = frozenset("'\u2018\u2019\u02bc`")
_DASHES = frozenset("\u2043\u2212")  # a bullet and a minus sign, which are not in the category of dashes
_MARKS, _LETTERS = _Marks(), _Letters()

_FIRST_MARK = "\u0300"  # all letters and digits with a lower code are visible
# Letters and symbols that show nothing: the fillers of Hangul and the empty pattern of Braille.
_BLANK_LETTERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
_BLANK_CATEGORIES = frozenset({"Cf", "Mn", "Me"})
# The flags of England, Scotland and Wales are emoji that end with one of these characters, which are invisible by
# themselves.
_TAGS = range(0xE0020, 0xE0080)


def standardize(text: str) -> str:
    """Return a text in the form NFKC, without invisible marks, with plain spaces and hyphens, and no space around it.

    This form is used only to read a text. The form is not sent, because marks join the parts of an emoji and the
    letters of some scripts.
    """
    if text.isascii():
        return text.strip()
    return unicodedata.normalize("NFKC", text).translate(_MARKS).strip()


def fold(text: str) -> str:
    """Return a text without accents, case, punctuation and emoji, so that spellings of one answer become equal."""
    if text.isascii():
        return " ".join(text.lower().translate(_LETTERS).split())
    letters = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return " ".join(letters.translate(_LETTERS).split())


def find_similar(word: str, names: Iterable[str]) -> list[str]:
    """Return at most three names that a person may have meant by a word, the most similar first."""
    folded = {name: fold(name) for name in names}
    close = get_close_matches(fold(word), {*folded.values()})
    return [name for each in close for name in folded if folded[name] == each]


_WORDS_IN_ONE = re.compile(r"(?<=[^\W\d_A-Z])(?=[A-Z])")  # as in DataVencimento


def split_words(name: str) -> list[str]:
    """Return the folded words in the name of a column, also those that only a capital separates."""
    return fold(_WORDS_IN_ONE.sub(" ", name)).split()


def is_blank(text: str) -> bool:
    """Tell whether a text shows nothing: it is empty, or has only spaces, line breaks and invisible characters."""
    if text[:1].isalnum() and text[0] < _FIRST_MARK:  # nearly every value
        return False
    return all(
        letter.isspace() or letter in _BLANK_LETTERS or unicodedata.category(letter) in _BLANK_CATEGORIES
        for letter in text
    )


# Texts that stand for a value in help, advice and documents.
_PLACEHOLDERS = frozenset({
    "COLUMN", "NAME", "PHONE", "VALUE", "VARIABLE", "COLUNA", "NOME", "TELEFONE", "VALOR", "VARIÁVEL", "…", "...",
})  # fmt: skip


def is_copied_example(text: str) -> bool:
    """Tell whether a text was copied from an example without a value of the person's in its place."""
    return text.strip() in _PLACEHOLDERS


def trim(text: str) -> str:
    """Return a text without the spaces, line breaks and invisible marks around it. Marks inside it stay."""
    if text.isascii() or (text[:1].isalpha() and text[-1].isalpha()):  # nearly every value
        return text.strip()
    start, end = 0, len(text)
    while start < end and _is_edge(text[start]):
        start += 1
    while start < end and _is_edge(text[end - 1]):
        end -= 1
    return text[start:end]


def _is_edge(letter: str) -> bool:
    return letter.isspace() or (unicodedata.category(letter) == "Cf" and ord(letter) not in _TAGS)
