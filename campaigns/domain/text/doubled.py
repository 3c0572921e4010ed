"""Finds values that repeat the word or the sign beside their variable, as in "R$ R$ 20" and "20%%"."""

from __future__ import annotations

from collections.abc import Iterable

from campaigns.domain.text.normal import trim

_PUNCTUATION = ".,:;!?()*_~"
_SIGNS = ("%", "R$", "US$", "$", "€", "£")


def find_doubled(excerpt: str, cells: Iterable[tuple[int, str]]) -> tuple[int, str] | None:
    """Return the row and the text of the first cell that repeats what stands beside the variable, or None.

    `excerpt`: the text of the template around the variable. `cells`: rows and texts. A cell that has this word only is
    no repetition, because it may be a name.
    """
    before, _, rest = excerpt.partition("{{")
    behind = rest.partition("}}")[2]
    word, sign = _find_word(before.split()[-1:]), next((each for each in _SIGNS if before.rstrip().endswith(each)), "")
    next_word = _find_word(behind.split()[:1]) if behind[:1].isspace() else ""
    next_sign = next((each for each in _SIGNS if behind.lstrip().startswith(each)), "")
    for row_number, cell in cells:
        text = trim(cell)
        words = text.split()
        is_doubled = (sign and text.startswith(sign)) or (next_sign and text.endswith(next_sign))
        if len(words) > 1 and not is_doubled:
            is_doubled = _find_word(words[:1]) == word != "" or _find_word(words[-1:]) == next_word != ""
        if is_doubled:
            return row_number, text
    return None


def _find_word(words: list[str]) -> str:
    """Return the first word of a list without its punctuation and its case; "" if there is none."""
    return words[0].strip(_PUNCTUATION).casefold() if words else ""
