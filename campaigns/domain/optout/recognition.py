"""Recognises answers by which a person refuses more messages, and names the sources of suppressions.

A refusal is certain if the message says nothing else: a stop word or a clear phrase, with courtesy around it. An
operator decides about a message that only contains or resembles a refusal. The phrases are in `optout_phrases.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from campaigns.domain.optout.matching import fold, list_words, read_phrases
from campaigns.domain.optout.phrases import DAILY, PAYLOAD_ENDINGS, PAYLOAD_NEGATIONS


class Source(StrEnum):
    """What a suppression comes from. Each source is known by its newest event, and lifts only what it has said."""

    WORD = "word"  # the person wrote it
    BUTTON = "button"  # the person tapped it
    META = "meta"  # the person told WhatsApp: `user_preferences`, or the error 131050
    MANUAL = "manual"
    IMPORT = "import"


# Whole messages, and what a button may say; the last three are what Meta's own opt-out button says. Folding makes a
# space of `_`, so a list of them needs none.
DEFAULT_WORDS = (
    "stop,stop_all,stopall,unsubscribe,unsub,cancel,end,quit,revoke,opt_out,optout,"
    "sair,parar,pare,cancelar,cancelar_inscrição,descadastrar,desinscrever,remover,não_quero_receber,"
    "baja,darme_de_baja,alto,salir,cancelar_suscripción,no_quiero_recibir,arret,se_désabonner,abmelden,stopp,"
    "stop_promotions,parar_promoções,detener_promociones"
)
DEFAULT_PAYLOADS = "STOP,STOPALL,UNSUBSCRIBE,UNSUB,OPT_OUT,OPTOUT,STOP_PROMOTIONS,SAIR,PARAR,DESCADASTRAR,BAJA"

_LONGEST_CERTAIN = 300  # characters, before folding; a longer text says more than one thing
# "\u2026" is an ellipsis, the others are marks of a question or an exclamation that other languages use.
_CLAUSE_END = re.compile(r"[.,;:!?\n\u2026\u00bf\u00a1()\uff1f\u061f]+")
_QUESTION = re.compile(r"[?\u00bf\uff1f\u061f]")
_SINGLE_LETTERS = re.compile(r"\w(?: \w)+")
_DAILY = list_words(DAILY)
_PAYLOAD_ENDINGS, _PAYLOAD_NEGATIONS = list_words(PAYLOAD_ENDINGS), list_words(PAYLOAD_NEGATIONS)


def read_words(text: str) -> frozenset[str]:
    """Return the folded words of a comma-separated list. Raises ValueError where one is no word."""
    words = frozenset(fold(word) for word in text.split(","))
    if "" in words:
        raise ValueError("must be words, separated by commas")
    return words


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusal found in an answer. `detail` is the folded stop word, payload or phrase. `is_certain`: suppress at
    once; else an operator decides.
    """

    detail: str
    is_certain: bool


@dataclass(frozen=True, slots=True)
class StopRules:
    """The words and payloads that are an opt-out, folded."""

    words: frozenset[str] = read_words(DEFAULT_WORDS)
    payloads: frozenset[str] = read_words(DEFAULT_PAYLOADS)

    def find_word(self, text: str) -> Refusal | None:
        """Return the refusal that a text is or may be, None for any other text.

        It is certain if the whole text, or each of its clauses, is a stop word or a clear phrase, and is no question.
        """
        parts = [folded for part in _CLAUSE_END.split(text) if (folded := fold(part))]
        whole = " ".join(parts)
        if _SINGLE_LETTERS.fullmatch(whole):  # S.T.O.P
            whole = whole.replace(" ", "")
        book = read_phrases()
        bare = book.strip_courtesy(whole)
        standard = book.standardize(bare)
        may_be_certain = len(text) <= _LONGEST_CERTAIN and not _QUESTION.search(text)
        if clear := self._find_clear(bare, standard) or (whole if whole in self.words else ""):
            return Refusal(clear, may_be_certain)
        clauses = [(said, book.standardize(said)) for part in parts if (said := book.strip_courtesy(part))]
        found = [self._find_clear(*clause) for clause in clauses]
        if clear := next((each for each in found if each and each not in _DAILY), ""):
            return Refusal(clear, may_be_certain and all(found))
        found = [self._find_unclear_alone(said) for _, said in clauses]
        unclear = (
            self._find_unclear_alone(standard)
            or next((each for each in found if each and each not in _DAILY), "")
            or book.search(".".join(said for _, said in clauses))
            or self._find_clear(corrected := book.correct(standard), f" {corrected} ")
        )
        return Refusal(unclear, is_certain=False) if unclear else None

    def find_button(self, payload: str, texts: Iterable[str] = ()) -> Refusal | None:
        """Return the refusal that a button is or may be by its payload or one of its texts, None for any other.

        The business wrote these texts. So they contain no misspelled words, and "Não tenho interesse" is an answer that
        the business asked for.
        """
        found = [self._find_payload(payload), *(self._find_label(text) for text in texts)]
        refusals = [refusal for refusal in found if refusal]
        return next((refusal for refusal in refusals if refusal.is_certain), next(iter(refusals), None))

    def _find_payload(self, payload: str) -> Refusal | None:
        """Return the refusal in a payload such as STOP, UNSUB:c17 or, not certain, promo_stop."""
        words = fold(payload).split() if len(payload) <= _LONGEST_CERTAIN else []
        whole = " ".join(words)
        if whole in self.payloads or whole in self.words:
            return Refusal(whole, is_certain=whole in self.payloads or whole not in _DAILY)
        while words and (words[-1] in _PAYLOAD_ENDINGS or not words[-1].isalpha()):
            words.pop()
        for start in range(len(words)):
            ending = " ".join(words[start:])
            if ending in self.payloads and _PAYLOAD_NEGATIONS.isdisjoint(words):
                return Refusal(ending, is_certain=start == 0)
        return None

    def _find_label(self, text: str) -> Refusal | None:
        """Return the refusal that the text on a button is or may be."""
        book = read_phrases()
        bare = book.strip_courtesy(fold(text))
        standard = book.standardize(bare)
        if clear := self._find_clear(bare, standard):
            return Refusal(clear, is_certain=clear not in _DAILY and not _QUESTION.search(text))
        unclear = book.search(standard)
        return Refusal(unclear, is_certain=False) if unclear else None

    def _find_clear(self, bare: str, standard: str) -> str:
        """Return the text if all of it is a stop word or a clear phrase, else ""."""
        if bare in self.words:
            return bare
        return standard.strip() if read_phrases().is_clear(standard) else ""

    def _find_unclear_alone(self, standard: str) -> str:
        """Return the whole text if it is a stop word with emphasis, or a phrase that may be about something else."""
        whole = standard.strip()
        return whole if whole in self.words or read_phrases().is_unclear(standard) else ""
