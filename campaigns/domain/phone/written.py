"""Extracts the phone number from texts that people paste: links, ids of chats, formulas, numbers with labels.

If a text is not certainly one number of one person, no number is guessed. `explain` then returns the reason.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from campaigns.domain.text.missing import find_error, is_null, is_placeholder
from campaigns.domain.text.normal import is_blank


class PhoneProblem(StrEnum):
    """The kinds of reasons for which a text is no phone."""

    AREA_UNCLEAR = "phone_area_unclear"  # it begins with 55, which may be the country code or an area code
    NO_AREA_CODE = "phone_no_area_code"
    CHARACTERS = "phone_characters"
    COMPANY = "phone_company"
    EMPTY = "phone_empty"
    DIGIT_LOST = "phone_digit_lost"
    DOCUMENT = "phone_document"  # a CPF or a CNPJ, whose column has the phone
    EXTENSION = "phone_extension"
    EXTRA_DIGITS = "phone_extra_digits"
    GROUP = "phone_group"
    INVALID = "phone_invalid"
    LANDLINE = "phone_landline"
    MISSING = "phone_missing_value"
    SEVERAL = "phone_several"
    SHORTENED = "phone_shortened"
    TEST_NUMBER = "phone_test_number"
    TOO_LONG = "phone_too_long"
    WORDS = "phone_words"


class PhoneError(ValueError):
    """The reason why a text is no phone number, worded to follow a column's name.

    The reason never repeats the number.
    """

    def __init__(self, problem: PhoneProblem, reason: str) -> None:
        super().__init__(reason)
        self.problem = problem


class PlainNumber(NamedTuple):
    """A text with a number. `is_international`: the text begins with a country code, even if it has no +."""

    text: str
    is_international: bool = False


MOST_CHARACTERS = 500  # of a text with a phone; a link to a chat may contain a prepared message
_SPACES = re.compile(r"\s+")
_FORMULA = re.compile(r'=?\s*"(?P<number>[^"]*)"')
# Links and chat ids of WhatsApp. The numbers in these texts have a country code. `_CALL`, a link with a scheme for
# calls or messages, may have a number without a country code.
_LINKS = (
    re.compile(r"(?:https?://)?(?:www\.)?wa\.me/\+?(?P<number>[0-9 ().-]{7,})/?(?:[?#].*)?", re.IGNORECASE),
    re.compile(
        r"(?:https?://)?(?:www\.|api\.|web\.|chat\.)?whatsapp(?:\.com/|://)send/?\?(?:.*&)?phone=(?:\+|%2B)?"
        r"(?P<number>[0-9 ().-]{7,})(?:[&#].*)?",
        re.IGNORECASE,
    ),
    re.compile(r"(?P<number>\+?[0-9]{7,})(?::[0-9]+)?@(?:c\.us|s\.whatsapp\.net)", re.IGNORECASE),
)
_CALL = re.compile(r"(?:tel|callto|sms|smsto|whatsapp):(?://)?(?P<number>\+?[0-9 ().-]+)", re.IGNORECASE)
# Labels that name the kind of a phone. Any other word beside a number may name the person who has the number, so a text
# with such a word is refused.
_KIND = (
    r"(?:tel(?:efone|efono|éfono|ephone)?|fone|phone|cel(?:ular)?|m[oó]vil|mobile|whats(?:app)?|wpp|wapp|zap|n[úu]mero"
    r"|contato|contacto)"
)
_LABEL = re.compile(
    rf"{_KIND}(?:\s*[/-]\s*{_KIND})?\s*[.:]{{0,2}}\s*(?=[+(0-9])"
    r"|\s*[-(]?\s*(?:whats(?:app)?|wpp|zap|cel(?:ular)?)\s*\)?$",
    re.IGNORECASE,
)
# Marks that links have as percent codes: a space, brackets, a hyphen and a point.
_ENCODED = re.compile("%(20|28|29|2D|2E)", re.IGNORECASE)
# One number with a slash behind its area code, or with a line break in it.
_AREA_SLASH = re.compile(r"((?:\+?55[ .-]*)?\(?0?[1-9]{2}\)?)\s*/\s*(?=9?[ .-]?[0-9]{4}[ .-]*[0-9]{4}\Z)")
_LINE_BREAK = re.compile(
    r"(?<=[0-9]{4})\s*[\r\n\t]+\s*(?=[0-9]{4}\Z)|(?<=[0-9)])\s*[\r\n\t]+\s*(?=9?[0-9]{4}[ .-]*[0-9]{4}\Z)"
)
# The code of a carrier behind the country code, as in +55 0 15 11 98765-4321.
_COUNTRY_CARRIER = re.compile(
    r"\+55[ .-]*0[ .-]*[1-9][0-9][ .-]*(?=\(?[1-9]{2}\)?[ .-]*9?[ .-]?[0-9]{4}[ .-]*[0-9]{4}\Z)"
)
# A place for the code of a carrier, as in 0xx11 or 0**11, and the 0 of domestic calls, as in +55 (0) 11.
_CARRIER = re.compile(
    r"^(?P<country>\+[0-9]{1,3}\s*)?\(?(?:0\s*(?:x{1,2}|\*{1,2})|xx|\*\*)\s*(?=\(?[0-9]{2})", re.IGNORECASE
)
_TRUNK_ZERO = re.compile(r"^(\+[0-9]{1,3})\s*\(0\)")
# A program that reads a column of phones as numbers writes 5511999990000.0.
_DECIMALS = re.compile(r"(\+?(?:[0-9]{8,}[.,]0{1,3}|[0-9]{10,}[.,]0{4,}))\s*")
_GROUPED = re.compile(r"(\+?[0-9]{1,3}(?:\.[0-9]{3}){3,})(?:,0+)?|(\+?[0-9]{1,3}(?:,[0-9]{3}){3,})(?:\.0+)?")
# One or two digits behind a number, or an area code with its 0, as in 98765-4321 011. In other countries, the last
# group of a number may have two digits, as in +7 912 345-67-89 and +370 612 345 67.
_LAST_GROUP = re.compile(r"[0-9]{3}[ ().-]+[0-9]{1,2}[ ().-]*\Z|[0-9]{4}[ ().-]+0[0-9]{2}[ ().-]*\Z")
_LAST_GROUP_ABROAD = re.compile(r"[0-9]{4}[ ().-]+[0-9]{1,2}[ ().-]*\Z|[0-9]{3}[ ().-]+[0-9][ ().-]*\Z")
# The number of a line in a list, as in 1) 19 8765-4321.
_FIRST_GROUP = re.compile(r"[ ().-]*[1-9][ ).-]+\(?[0-9]{2}")
# The last digits of a mobile phone of Brazil that lacks one: 99333-272, 9 9333-272 and 9 933-3272.
_LOST_DIGIT = re.compile(
    r"(?:\A|[^0-9])(?:(?:55)?(?:[0-9]{2})?[0-9]{5}[ .-]+[0-9]{3}"
    r"|9[ .-]+(?:[0-9]{4}[ .-]+[0-9]{3}|[0-9]{3}[ .-]+[0-9]{4}))[ .-]*\Z"
)
_SHORT_NUMBER = re.compile(r"\+55[0-9]{10}")  # a landline, or a mobile phone without its 9
_MOST_DIGITS = 13  # the digits of one number in Brazil with its country code
_SCIENTIFIC = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?e\+?[0-9]{1,2}", re.IGNORECASE)
_EXTENSION = re.compile(
    r"(ramal|ramais|ext\.?|extens[aã]o|extensi[oó]n|anexo|interno|\br\.|\bx|#)\s*[:=.]?\s*[0-9]", re.IGNORECASE
)
_GROUP = re.compile(
    r"@(g\.us|lid|newsletter|broadcast)|chat\.whatsapp\.com/|wa\.me/(qr|message|channel|c)/", re.IGNORECASE
)
_SEVERAL = re.compile(r"[0-9)]\s*([/;,|\n\r\t&]|\b(ou|or|e|y|and|und|et)\b)+\s*[+(]?[0-9]", re.IGNORECASE)


def unwrap(text: str) -> PlainNumber:
    """Return the number within a text that `standardize` returned. A text of no known form keeps all its characters.

    Only several spaces or line breaks in a row become one. Several expressions of this module would take much time for
    them, because a line break is a space as well.
    """
    text = _SPACES.sub(_reduce, _strip_quotes(text))
    for link in _LINKS:
        if found := link.fullmatch(_ENCODED.sub(lambda code: chr(int(code[1], 16)), text)):
            return PlainNumber(found["number"], is_international=True)
    if found := _CALL.fullmatch(text):
        text = found["number"]
    if found := _GROUPED.fullmatch(text):
        return PlainNumber(re.sub(r"[.,]", "", found[1] or found[2]))
    text = _LABEL.sub("", text, count=1).strip()
    text = _AREA_SLASH.sub(r"\1 ", text, count=1)
    if len(re.findall("[0-9]", text)) <= _MOST_DIGITS:
        text = _LINE_BREAK.sub(" ", text)
    text = _COUNTRY_CARRIER.sub("+55 ", text)
    text = _TRUNK_ZERO.sub(r"\1", text)
    return PlainNumber(_CARRIER.sub(lambda found: found["country"] or "", text))


def _reduce(spaces: re.Match[str]) -> str:
    return "\n" if set(spaces[0]) & {"\n", "\r", "\t"} else " "


def drop_decimals(text: str) -> str:
    """Return the number in a text that `unwrap` returned, without the .0 of a program that read it as a number."""
    found = _DECIMALS.fullmatch(text)
    return re.split("[.,]", found[1])[0] if found else text


def demand_plain_digits(text: str) -> None:
    """Refuse digits such as \u00b2 and \u2460, which mark a note and would become digits of the number."""
    for letter in text:
        if unicodedata.category(letter) == "No" and re.search("[0-9]", unicodedata.normalize("NFKC", letter)):
            raise PhoneError(
                PhoneProblem.EXTRA_DIGITS, "has a small or circled digit, which may be a note: keep the number only"
            )


def demand_one_number(text: str, *, is_brazilian: bool) -> None:
    """Refuse a number with one or two digits apart, because all digits together may be the number of another person.

    The rule is stricter in Brazil, where the last group of a number has four digits.
    """
    last_group = _LAST_GROUP if is_brazilian else _LAST_GROUP_ABROAD
    if last_group.search(text) or (is_brazilian and _FIRST_GROUP.match(text)):
        raise PhoneError(
            PhoneProblem.EXTRA_DIGITS,
            "has one to three digits apart from the number (a note, an extension, an area code?): keep the number"
            " only, and write its area code first",
        )


def demand_all_digits(text: str, number: str) -> None:
    """Refuse a number of Brazil whose groups show that a mobile phone has lost a digit, as in (51) 99333-272.

    `number`: the number in E.164 that was read from the text. With one digit less, the number is a valid one of another
    person.
    """
    if _SHORT_NUMBER.fullmatch(number) and _LOST_DIGIT.search(text):
        raise PhoneError(
            PhoneProblem.DIGIT_LOST, "is written in the groups of a mobile phone, but has one digit less: correct it"
        )


def explain(text: str) -> PhoneError:
    """Return the reason why a text, from which no number could be taken, is no phone."""
    if error := find_error(text):
        return PhoneError(PhoneProblem.MISSING, f"is {error}, an error of the spreadsheet")
    if is_null(text):
        return PhoneError(PhoneProblem.MISSING, f"is {text}, which a program writes for a missing value")
    if is_placeholder(text):
        return PhoneError(PhoneProblem.MISSING, "is a placeholder that no value has replaced")
    problem = next(problem for problem, is_it in _KINDS if is_it(text))
    return PhoneError(problem, _REASONS[problem])


_KINDS: tuple[tuple[PhoneProblem, Callable[[str], object]], ...] = (
    (PhoneProblem.EMPTY, is_blank),
    (PhoneProblem.SHORTENED, _SCIENTIFIC.fullmatch),
    (PhoneProblem.GROUP, _GROUP.search),
    (PhoneProblem.EXTENSION, _EXTENSION.search),
    (PhoneProblem.SEVERAL, _SEVERAL.search),
    (PhoneProblem.WORDS, lambda text: any(map(str.isalpha, text))),
    (PhoneProblem.CHARACTERS, lambda _: True),
)
_REASONS = {
    PhoneProblem.EMPTY: "is empty",
    PhoneProblem.SHORTENED: (
        "was shortened by Excel to a number with an E, so digits are lost: format the column as text and fill it again"
    ),
    PhoneProblem.GROUP: "is a link or an id of WhatsApp that has no phone number in it",
    PhoneProblem.EXTENSION: "has an extension, which WhatsApp cannot reach",
    PhoneProblem.SEVERAL: "has more than one number in it: keep one in each row",
    PhoneProblem.WORDS: "has words in it: keep the number only",
    PhoneProblem.CHARACTERS: "has characters that no phone number has",
}


def _strip_quotes(text: str) -> str:
    """Return a text without the marks by which spreadsheets keep a number as text: '55…, "55…" and ="55…"."""
    if found := _FORMULA.fullmatch(text):
        text = found["number"]
    return text.strip("'\u2018\u2019`\u00b4\u0301 ")  # NFKC makes the accent \u00b4 a space and \u0301
