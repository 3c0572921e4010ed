"""Recognises answers by which a person refuses more messages, and names the sources of suppressions.

A refusal is certain if the message is only a stop word or a clear phrase, perhaps with courtesy around it. If a message
only contains or resembles a refusal, an operator decides about the message. The phrases are in `phrases.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from campaigns.domain.optout.matching import list_words, read_phrases
from campaigns.domain.optout.phrases import DAILY, PAYLOAD_ENDINGS, PAYLOAD_NEGATIONS
from campaigns.domain.text.normal import fold


class Source(StrEnum):
    """The source of a suppression.

    For each person and source, the newest event counts. An event of one source lifts no suppression of another source.
    """

    WORD = "word"  # the person wrote a refusal
    BUTTON = "button"  # the person tapped an opt-out button
    META = "meta"  # the person stopped marketing in WhatsApp: webhook field `user_preferences`, or code 131050
    MANUAL = "manual"
    IMPORT = "import"


# A message, or the text of a button, is an opt-out if it is one of these words and nothing else. The last three words
# are the texts of Meta's own opt-out button. Folding turns `_` into a space, so the list is written without spaces.
DEFAULT_WORDS = (
    "stop,stop_all,stopall,unsubscribe,unsub,cancel,end,quit,revoke,opt_out,optout,"
    "sair,parar,pare,cancelar,cancelar_inscrição,descadastrar,desinscrever,remover,não_quero_receber,"
    "baja,darme_de_baja,alto,salir,cancelar_suscripción,no_quiero_recibir,arret,se_désabonner,abmelden,stopp,"
    "stop_promotions,parar_promoções,detener_promociones"
)
DEFAULT_PAYLOADS = "STOP,STOPALL,UNSUBSCRIBE,UNSUB,OPT_OUT,OPTOUT,STOP_PROMOTIONS,SAIR,PARAR,DESCADASTRAR,BAJA"

_LONGEST_CERTAIN = 300  # characters before folding; a longer text is no certain refusal
# "\u2026" is an ellipsis; the other escapes are question marks and exclamation marks of other languages.
_CLAUSE_END = re.compile(r"[.,;:!?\n\u2026\u00bf\u00a1()\uff1f\u061f]+")
_QUESTION = re.compile(r"[?\u00bf\uff1f\u061f]")
_SINGLE_LETTERS = re.compile(r"\w(?: \w)+")
_DAILY = list_words(DAILY)
_PAYLOAD_ENDINGS, _PAYLOAD_NEGATIONS = list_words(PAYLOAD_ENDINGS), list_words(PAYLOAD_NEGATIONS)


def read_words(text: str) -> frozenset[str]:
    """Return the folded words of a comma-separated list. Raises ValueError if an element has no letter and no digit."""
    words = frozenset(fold(word) for word in text.split(","))
    if "" in words:
        raise ValueError("must be words, separated by commas")
    return words


@dataclass(frozen=True, slots=True)
class Stop:
    """The opt-out in an answer. `detail`: the folded stop word, payload or phrase.

    `is_certain`: the person is suppressed at once. If `is_certain` is False, an operator decides about the answer.
    """

    detail: str
    is_certain: bool


@dataclass(frozen=True, slots=True)
class StopRules:
    """The words and the payloads that count as an opt-out, folded."""

    words: frozenset[str] = read_words(DEFAULT_WORDS)
    payloads: frozenset[str] = read_words(DEFAULT_PAYLOADS)

    def find_word(self, text: str) -> Stop | None:
        """Return the certain or possible refusal in a text, None if there is none.

        The refusal is certain if the whole text, or each of its clauses, is a stop word or a clear phrase, and if the
        text is short and is no question.
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
            return Stop(clear, may_be_certain)
        clauses = [(said, book.standardize(said)) for part in parts if (said := book.strip_courtesy(part))]
        found = [self._find_clear(*clause) for clause in clauses]
        if clear := next((each for each in found if each and each not in _DAILY), ""):
            return Stop(clear, may_be_certain and all(found))
        found = [self._find_unclear_alone(said) for _, said in clauses]
        unclear = (
            self._find_unclear_alone(standard)
            or next((each for each in found if each and each not in _DAILY), "")
            or book.search(".".join(said for _, said in clauses))
            or self._find_clear(corrected := book.correct(standard), f" {corrected} ")
        )
        return Stop(unclear, is_certain=False) if unclear else None

    def find_button(self, payload: str, texts: Iterable[str] = ()) -> Stop | None:
        """Return the certain or possible refusal in a button's payload or one of its texts, None if there is none.

        The business wrote these texts. So the method does not search for misspelled words. A phrase such as "Não tenho
        interesse", which goes to review if a person writes this phrase, is no refusal on a button, because the business
        offered the phrase as an answer.
        """
        found = [self._find_payload(payload), *(self._find_label(text) for text in texts)]
        refusals = [refusal for refusal in found if refusal]
        return next((refusal for refusal in refusals if refusal.is_certain), next(iter(refusals), None))

    def _find_payload(self, payload: str) -> Stop | None:
        """Return the refusal in a payload: certain in STOP and UNSUB:c17, possible in promo_stop."""
        words = fold(payload).split() if len(payload) <= _LONGEST_CERTAIN else []
        whole = " ".join(words)
        if whole in self.payloads or whole in self.words:
            return Stop(whole, is_certain=whole in self.payloads or whole not in _DAILY)
        while words and (words[-1] in _PAYLOAD_ENDINGS or not words[-1].isalpha()):
            words.pop()
        for start in range(len(words)):
            ending = " ".join(words[start:])
            if ending in self.payloads and _PAYLOAD_NEGATIONS.isdisjoint(words):
                return Stop(ending, is_certain=start == 0)
        return None

    def _find_label(self, text: str) -> Stop | None:
        """Return the certain or possible refusal in the text on a button."""
        book = read_phrases()
        bare = book.strip_courtesy(fold(text))
        standard = book.standardize(bare)
        if clear := self._find_clear(bare, standard):
            return Stop(clear, is_certain=clear not in _DAILY and not _QUESTION.search(text))
        unclear = book.search(standard)
        return Stop(unclear, is_certain=False) if unclear else None

    def _find_clear(self, bare: str, standard: str) -> str:
        """Return the text if all of it is a stop word or a clear phrase, else ""."""
        if bare in self.words:
            return bare
        return standard.strip() if read_phrases().is_clear(standard) else ""

    def _find_unclear_alone(self, standard: str) -> str:
        """Return the whole text if it is a stop word with emphasis, or a phrase that may be about something else."""
        whole = standard.strip()
        return whole if whole in self.words or read_phrases().is_unclear(standard) else ""
