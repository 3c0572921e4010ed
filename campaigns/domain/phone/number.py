"""Reads phone numbers as people write them: those of one region without a country code, those of others with it."""

from __future__ import annotations

import re
from collections.abc import Callable

import phonenumbers

from campaigns.domain.phone.person import recipient_key

# Between the digits, and invisible marks that chats and spreadsheets put around a copied number.
_BETWEEN_DIGITS = dict.fromkeys(
    map(ord, " ().-\u00a0\u2010\u2011\u2012\u2013\u202f\u200b\u200e\u200f\u202a\u202c\ufeff")
)
_NUMBER = re.compile(r"\+?[0-9]+")
_SCIENTIFIC = re.compile(r"[0-9]+([.,][0-9]+)?[eE]\+?[0-9]+")
_SEVERAL = re.compile(r"[/;,|\n]")
_MAX_DIGITS = 15  # of E.164

PhoneReader = Callable[[str], str]


class PhoneError(ValueError):
    """Why a text is no phone number, as it goes on after the name of its column. Never repeats the number."""


def make_phone_reader(region: str) -> PhoneReader:
    """Return a function from a text to its number in E.164, which raises PhoneError.

    A number is good when numbers like it are given out in its country: it, or the form that stands for its person (in
    Brazil old mobile numbers without their 9 still reach people). The usual forms of the region are tried by one
    expression, made from the tables of `phonenumbers`, which takes 20 µs and more for a number.
    """
    code = str(phonenumbers.country_code_for_region(region))
    is_usual = re.compile(rf"\+{code}{_national_pattern(region)}", re.ASCII).fullmatch

    def read_phone(text: str) -> str:
        # Programs that took the column for numbers write 5511999990000.0.
        digits = text.strip().removesuffix(".0").removesuffix(",0").translate(_BETWEEN_DIGITS)
        if not _NUMBER.fullmatch(digits):
            raise PhoneError(_explain(text))
        # Without a + the national number comes first, as in `phonenumbers`: in Brazil 55 is an area, too.
        forms = (digits,) if digits[0] == "+" else (f"+{code}{digits}", f"+{digits}")
        for number in forms:
            if is_usual(number):
                return number
        for number in forms:
            if is_usual(recipient_key(number)):
                return number
        return _read_any(digits, region)

    return read_phone


def _national_pattern(region: str) -> str:
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(region)
    if metadata is None or metadata.general_desc is None:
        return "(?!)"
    kinds = [kind.national_number_pattern for kind in (metadata.mobile, metadata.fixed_line) if kind is not None]
    usual = "|".join(pattern for pattern in kinds if pattern)
    return f"(?=(?:{metadata.general_desc.national_number_pattern})\\Z)(?:{usual or '(?!)'})"


def _read_any(digits: str, region: str) -> str:
    is_international = digits.startswith(("+", "00"))
    if digits.startswith("00"):
        digits = f"+{digits[2:]}"
    if len(digits.removeprefix("+")) > _MAX_DIGITS:
        raise PhoneError(f"has more than {_MAX_DIGITS} digits")
    try:
        parsed = phonenumbers.parse(digits, region)
    except phonenumbers.NumberParseException:
        raise PhoneError("is not a phone number") from None
    number = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    key = recipient_key(number)
    if phonenumbers.is_valid_number(parsed) or (
        key != number and phonenumbers.is_valid_number(phonenumbers.parse(key))
    ):
        return number
    if is_international:
        raise PhoneError("is not a valid phone number")
    raise PhoneError(f"is not a valid phone number in {region}: others need + and the country code")


def _explain(text: str) -> str:
    if not text.strip():
        return "is empty"
    if _SCIENTIFIC.fullmatch(text.strip()):
        return "was shortened by Excel to a number with an E: format the column as text and save the file again"
    if any(character.isalpha() for character in text):
        return "has letters in it"
    if _SEVERAL.search(text):
        return "has more than one number in it, or something beside it"
    return "has characters that no phone number has"
