"""Reads phone numbers as people write and paste them. Only numbers of one region may lack the country code."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum

import phonenumbers

from campaigns.domain.phone.person import recipient_key
from campaigns.domain.phone.written import (
    MOST_CHARACTERS,
    PhoneError,
    PhoneProblem,
    demand_all_digits,
    demand_one_number,
    demand_plain_digits,
    drop_decimals,
    explain,
    unwrap,
)
from campaigns.domain.text.normal import standardize

_SEPARATORS = dict.fromkeys(map(ord, " ().-"))
_NUMBER = re.compile(r"\+?[0-9]+")
# A number without a group of digits at its beginning or its end that may be a decimal part, a note or an area code.
_PLAIN = re.compile(r"\+?(?:(?:\(?[0-9]{2,3}\)?[ .-]*){1,2}(?:9[ .-]*)?)?[0-9]{4,}(?:[ .-]*[0-9]{4})?")
_MAX_DIGITS = 15  # the limit of E.164
# Meta gives numbers with this beginning to test accounts. No country assigns them.
_TEST_NUMBER = re.compile(r"\+1555[0-9]{7}")
_BRITISH_CODE = 44  # the country code of the example in a refusal
_LOCAL_DIGITS = range(8, 10)  # the lengths of a number in Brazil without its area code

_Type = phonenumbers.PhoneNumberType
# Numbers that a company has for callers. No personal phone has such a number.
_COMPANY_TYPES = frozenset({
    _Type.TOLL_FREE, _Type.SHARED_COST, _Type.PREMIUM_RATE, _Type.UAN, _Type.VOICEMAIL, _Type.PAGER,
})  # fmt: skip

# Numbers in Brazil that all area codes share, such as 4004-1234. People write an area code before such a number, and
# also before 0800. With an area code, these numbers look like landlines.
_SHARED_NUMBER = re.compile(r"\+55[1-9]{2}(?:400[34]|300[34]|4020)[0-9]{4}")
_TWICE_55 = re.compile(r"\+?(?:00)?55\+?55[1-9]{2}9?[0-9]{8}")
_COMPANY_WITH_AREA = re.compile(r"(?:\+?55|0055)?0?[1-9]{2}0[3589]00[0-9]{6,7}")

PhoneReader = Callable[[str], str]


class PhoneKind(StrEnum):
    """A kind of valid numbers that an import counts separately."""

    LANDLINE = "landline"
    WITHOUT_NINE = "without_nine"  # an old mobile number of Brazil without its 9


def make_phone_reader(region: str, *, takes_tests: bool = False) -> PhoneReader:
    """Return a function that reads a text and returns its phone number in E.164, or raises PhoneError.

    A number is valid if its country assigns numbers of this form, or of the form of its `recipient_key` (in Brazil, old
    mobile numbers without their 9 still reach people). One regular expression, made from the tables of `phonenumbers`,
    matches the usual forms of the region, because that library takes 20 µs and more for a number. `takes_tests`: the
    test numbers of Meta are valid, too.
    """
    return _Reader(region, takes_tests=takes_tests).read


class _Reader:
    def __init__(self, region: str, *, takes_tests: bool) -> None:
        self._region, self._takes_tests = region, takes_tests
        self._code = str(phonenumbers.country_code_for_region(region))
        self._is_usual = re.compile(rf"\+{self._code}{_national_pattern(region)}", re.ASCII).fullmatch

    def read(self, text: str) -> str:
        plain = _standardize(text)
        if _PLAIN.fullmatch(plain) and (usual := self._find_usual(plain.translate(_SEPARATORS))):  # nearly every phone
            return usual
        number = unwrap(plain)
        written = drop_decimals(number.text)
        digits = written.translate(_SEPARATORS)
        if not _NUMBER.fullmatch(digits):
            raise explain(number.text)
        found = self._read_number(digits, is_international=number.is_international)
        demand_one_number(written, is_brazilian=found.startswith("+55"))
        demand_all_digits(written, found)
        return found

    def _read_number(self, digits: str, *, is_international: bool) -> str:
        if is_international and not digits.startswith("+"):
            try:
                return self._read_digits(f"+{digits}")
            except PhoneError:  # people also make links without the country code
                return self._read_digits(digits)
        return self._read_digits(digits)

    def _read_digits(self, digits: str) -> str:
        if usual := self._find_usual(digits):
            return usual
        international = f"+{digits.removeprefix('+')}"
        if self._takes_tests and _TEST_NUMBER.fullmatch(international):
            return international
        return _read_any(digits, self._region)

    def _find_usual(self, digits: str) -> str | None:
        # A text without a + is first read as a national number, as `phonenumbers` does, because 55 is the country code
        # of Brazil and also an area code in Brazil.
        forms = (digits,) if digits[0] == "+" else (f"+{self._code}{digits}", f"+{digits}")
        for number in forms:
            if self._is_usual(number):
                if _SHARED_NUMBER.fullmatch(number):
                    raise _company_number()
                return number
        return next((number for number in forms if self._is_usual(recipient_key(number))), None)


def make_phone_classifier(region: str) -> Callable[[str], PhoneKind | None]:
    """Return a function that tells whether a number in E.164 is of a kind that an import counts.

    In countries such as the USA, a number does not show whether it is a landline. Such a number counts as a mobile
    number.
    """
    code = str(phonenumbers.country_code_for_region(region))
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(region)
    mobile, fixed = (
        re.compile(rf"\+{code}(?:{kind.national_number_pattern if kind else '(?!)'})", re.ASCII).fullmatch
        for kind in ((metadata.mobile, metadata.fixed_line) if metadata else (None, None))
    )

    def classify(number: str) -> PhoneKind | None:
        if mobile(number):
            return None
        if number.startswith("+55") and recipient_key(number) != number:
            return PhoneKind.WITHOUT_NINE
        if fixed(number):
            return PhoneKind.LANDLINE
        is_landline = phonenumbers.number_type(phonenumbers.parse(number)) == _Type.FIXED_LINE
        return PhoneKind.LANDLINE if is_landline else None

    return classify


def _standardize(text: str) -> str:
    """Return the normal form of a text with a phone.

    Raises PhoneError for a text that is too long, and if the normal form would join a note to the number.
    """
    plain = standardize(text)
    if len(plain) > MOST_CHARACTERS:
        raise PhoneError(PhoneProblem.WORDS, "has much more text than a phone: keep the number only")
    if not text.isascii():
        demand_plain_digits(text)
    return plain


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
        raise PhoneError(PhoneProblem.TOO_LONG, f"has more than {_MAX_DIGITS} digits: is it two phones?")
    if (region == "BR" or digits.startswith("+55")) and _COMPANY_WITH_AREA.fullmatch(digits):
        raise _company_number()
    try:
        parsed = phonenumbers.parse(digits, region)
    except phonenumbers.NumberParseException:
        raise PhoneError(PhoneProblem.INVALID, "is not a phone number") from None
    number = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    if phonenumbers.number_type(parsed) in _COMPANY_TYPES or _SHARED_NUMBER.fullmatch(number):
        raise _company_number()
    key = recipient_key(number)
    if phonenumbers.is_valid_number(parsed) or (
        key != number and phonenumbers.is_valid_number(phonenumbers.parse(key))
    ):
        return number
    raise _explain_invalid(digits, region, is_international=is_international)


def _explain_invalid(digits: str, region: str, *, is_international: bool) -> PhoneError:
    if _TEST_NUMBER.fullmatch(f"+{digits.removeprefix('+')}"):
        return PhoneError(PhoneProblem.TEST_NUMBER, "is a test number of Meta's (+1 555)")
    if _TWICE_55.fullmatch(digits):
        return PhoneError(PhoneProblem.INVALID, "has the country code 55 twice: keep it once")
    if is_international:
        return PhoneError(PhoneProblem.INVALID, "is not a valid phone number")
    if region == "BR" and len(digits) in _LOCAL_DIGITS and digits[0] in "23456789":
        return PhoneError(PhoneProblem.NO_AREA_CODE, "has no area code")
    example = "+351" if phonenumbers.country_code_for_region(region) == _BRITISH_CODE else f"+{_BRITISH_CODE}"
    return PhoneError(
        PhoneProblem.INVALID,
        f"is not a valid phone number in {region}: write a phone of another country with + and its country code (in a"
        f" spreadsheet, type '{example}… with the apostrophe), or choose another country for all phones of the list",
    )


def _company_number() -> PhoneError:
    return PhoneError(
        PhoneProblem.COMPANY, "is a company's number for callers (such as 0800, 0300 or 4004), no person's phone"
    )
