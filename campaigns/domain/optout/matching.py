"""Compares a text with the phrases of a refusal. Case, accents, courtesy, emphasis and spelling make no difference."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from itertools import groupby

from campaigns.domain.optout import phrases

_LONGEST_MISSPELLED = 8  # words
_LONGEST_TERSE = 8  # words


class PhraseBook:
    """The phrases of `phrases.py` as regular expressions, for texts that `standardize` returned."""

    def __init__(self) -> None:
        # Each word of an expression includes the space after it; the text has a space before its first word too.
        clear = _write(phrases.CLEAR)
        opening, ending = _write(phrases.OPENINGS), _write(phrases.ENDINGS)
        self._certain = re.compile(f" (?:{_write(phrases.ALONE)}|{opening}*{clear}{ending}*)")
        self._unclear_alone = re.compile(f" {opening}*{_write(phrases.UNCLEAR_ALONE)}")
        self._unclear = re.compile(f" (?:{clear}|{_write(phrases.UNCLEAR)})")
        self._harmless = re.compile(f" {_write(phrases.HARMLESS)}")
        self._courtesy = re.compile(f" {_write(phrases.COURTESY)}+")
        self._emphasis = re.compile(f" {_write(phrases.EMPHASIS)}+")
        self._spellings = {each: word for word, listed in phrases.SPELLINGS.items() for each in listed.split()}
        self._negations = list_words("{not}|sem|sin")
        self._sending = list_words("{send}|{any_messages}|contact|call|contato")
        self._actions = list_words("{action}|{action_en}")
        self._terse = list_words(phrases.FILLING) | self._negations | self._sending | self._actions
        known = set((phrases.MISSPELLED + phrases.NOT_MISSPELLED).split())
        self._misspelled = {
            misspelling: word
            for word in phrases.MISSPELLED.split()
            for misspelling in _list_misspellings(word)
            if misspelling not in known
        }

    def strip_courtesy(self, folded: str) -> str:
        """Return a folded text without courtesy and without repeated letters and words (STOOOP, STOP STOP)."""
        words = (word for word, _ in groupby(_REPEATED_LETTER.sub(r"\1", folded).split()))
        return self._courtesy.sub(" ", f" {' '.join(words)} ").strip()

    def standardize(self, bare: str) -> str:
        """Return a result of `strip_courtesy` in the spelling of the phrases, without words of emphasis.

        The returned text begins and ends with a space, so that each word has a space before and after it.
        """
        words = (self._spellings.get(word, word) for word in bare.split())
        return self._emphasis.sub(" ", f" {' '.join(words)} ".replace(" do not ", " dont "))

    def is_clear(self, standard: str) -> bool:
        """Whether a whole text is a certain refusal."""
        return bool(self._certain.fullmatch(standard))

    def is_unclear(self, standard: str) -> bool:
        """Whether a whole text is a phrase that may be a refusal, but may also be about something else."""
        return bool(self._unclear_alone.fullmatch(standard))

    def search(self, standard: str) -> str:
        """Return the part of a text that may be a refusal, "" if there is none. A full stop separates clauses.

        The part is a phrase in the text, or the whole text if it has few words and all of them belong to refusals.
        """
        rest = self._harmless.sub(" ", standard)
        if found := self._unclear.search(rest):
            return found[0].strip()
        words = rest.replace(".", "").split()
        if len(words) > _LONGEST_TERSE or not self._terse.issuperset(words):
            return ""
        sends_no = not self._negations.isdisjoint(words) and not self._sending.isdisjoint(words)
        return " ".join(words) if sends_no or not self._actions.isdisjoint(words) else ""

    def correct(self, standard: str) -> str:
        """Return a text with its misspelled words corrected.

        A misspelled word has one letter too many, one letter too few, one wrong letter, or two swapped letters. Returns
        "" if no word is misspelled, or if the text has more than `_LONGEST_MISSPELLED` words.
        """
        words = standard.split()
        if len(words) > _LONGEST_MISSPELLED or self._misspelled.keys().isdisjoint(words):
            return ""
        return " ".join(self._misspelled.get(word, word) for word in words)


@functools.cache
def read_phrases() -> PhraseBook:
    """Return the one phrase book. It takes 0.2 s to compile, so it is compiled at the first use."""
    return PhraseBook()


def list_words(phrase_list: str) -> frozenset[str]:
    """Return the words of a list of single words, including the words of the lists whose names it has in braces."""
    words = (word.strip() for word in phrase_list.replace("\n", "|").split("|"))
    named = (list_words(phrases.NAMED[word[1:-1]]) if word[:1] == "{" else {word} for word in words if word)
    return frozenset().union(*named)


_REPEATED_LETTER = re.compile(r"(\w)\1{2,}")


def _write(phrase_list: str) -> str:
    """Return a list of phrases as a regular expression."""
    lines = "|".join(line for line in phrase_list.splitlines() if line.strip() and not line.startswith("#"))
    return f"(?:{_PART.sub(_write_part, lines)})"


def _write_part(part: re.Match[str]) -> str:
    if part["name"]:
        return _write(phrases.NAMED[part["name"]])
    if part["word"]:
        return part["word"] + (r"\w* " if part["begins"] else " ")
    return {"[": "(?:", "]": ")?", "(": "(?:", ")": ")", "|": "|", "...": r"(?:\w+ ){0,4}"}.get(part[0], "")


_PART = re.compile(r"\{(?P<name>\w+)\}|(?P<word>\w+)(?P<begins>\*)?|\.\.\.|[][()|]|\s+")


def _list_misspellings(word: str) -> Iterator[str]:
    """Yield the misspellings of a word with one letter missing, added, wrong, or in the wrong place."""
    for at in range(len(word) + 1):
        before, after = word[:at], word[at:]
        yield before + after[1:]
        yield before + after[1:2] + after[:1] + after[2:]
        for letter in "abcdefghijklmnopqrstuvwxyz":
            yield before + letter + after
            yield before + letter + after[1:]
