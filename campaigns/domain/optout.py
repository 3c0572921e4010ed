"""Which answers say that a person wants no more messages, and who may say so."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


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
    "sair,parar,pare,stop,stop_all,cancelar,cancelar_inscrição,descadastrar,desinscrever,remover,não_quero_receber,"
    "baja,darme_de_baja,alto,cancelar_suscripción,no_quiero_recibir,unsubscribe,opt_out,optout,arret,se_désabonner,"
    "abmelden,stopp,stop_promotions,parar_promoções,detener_promociones"
)
DEFAULT_PAYLOADS = "STOP,UNSUBSCRIBE,UNSUB,OPT_OUT,OPTOUT,STOP_PROMOTIONS,SAIR,PARAR,DESCADASTRAR,BAJA"

_LONGEST = 300  # characters, with all that folding takes away


def fold(text: str) -> str:
    """Return what two spellings of one answer have in common: no accents, case, punctuation or emoji."""
    letters = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    # Marks and invisible characters belong to the letter before them; anything else parts two words.
    seen = (each for each in letters if unicodedata.category(each) not in _UNSEEN)
    return " ".join("".join(each if each.isalnum() else " " for each in seen).split())


_UNSEEN = frozenset({"Mn", "Me", "Cf"})


def read_words(text: str) -> frozenset[str]:
    """Return the folded words of a comma-separated list. Raises ValueError where one is no word."""
    words = frozenset(fold(word) for word in text.split(","))
    if "" in words:
        raise ValueError("must be words, separated by commas")
    return words


@dataclass(frozen=True, slots=True)
class Refusal:
    """What makes an answer a refusal: `detail` is the folded stop word, payload or phrase. `is_certain`: suppress at
    once; else a person decides.
    """

    detail: str
    is_certain: bool


@dataclass(frozen=True, slots=True)
class StopRules:
    """The words and payloads that are an opt-out, folded."""

    words: frozenset[str] = read_words(DEFAULT_WORDS)
    payloads: frozenset[str] = read_words(DEFAULT_PAYLOADS)

    def find_word(self, text: str) -> Refusal | None:
        """Return the refusal that a text is, None for any other text."""
        folded = fold(text) if len(text) <= _LONGEST else ""
        return Refusal(folded, is_certain=True) if folded in self.words else None

    def find_button(self, payload: str, texts: Iterable[str]) -> Refusal | None:
        """Return the refusal that a button is by its payload or one of its texts, None for any other button."""
        folded = fold(payload) if len(payload) <= _LONGEST else ""
        if folded in self.payloads:
            return Refusal(folded, is_certain=True)
        return next((refusal for text in (payload, *texts) if (refusal := self.find_word(text))), None)
