"""Tells whether two phone numbers, in any form, belong to one person, which means to one WhatsApp account."""

from __future__ import annotations

import re

from campaigns.domain.statement import Refusal

# Some countries changed the length of mobile numbers, or use another length for calls from abroad. The old and the new
# form reach the same WhatsApp account, and Meta's `wa_id` may have either form. By country code: the pattern of the
# form that is not the recipient key, and the replacement that makes the recipient key.
_OTHER_FORMS = {
    # Brazil put a 9 before the eight digits of mobile numbers. These digits begin with 6 to 9; landlines begin with 2
    # to 5.
    "+55": (re.compile(r"\+55([1-9][0-9])([6-9][0-9]{7})"), r"+55\g<1>9\2"),
    # Mexico had a 1 before the ten digits of a mobile number.
    "+52": (re.compile(r"\+521([2-9][0-9]{9})"), r"+52\1"),
    # A call from abroad to a mobile number in Argentina needs a 9 before the ten digits.
    "+54": (re.compile(r"\+549([1-9][0-9]{9})"), r"+54\1"),
}
_NO_FORM = (re.compile("(?!)"), "")
# The number of last digits that stayed the same when countries changed their numbers.
_KEPT_DIGITS = 7


def recipient_key(number: str) -> str:
    """Return the one form of a number that stands for its person. `number`: in E.164, or a `wa_id` (without `+`).

    The key is used to compare people (duplicates, opt-outs, limits). The key is not used as an address, because a
    message goes to the number in the form in which it was given.
    """
    number = number if number.startswith("+") else f"+{number}"
    other_form, key = _OTHER_FORMS.get(number[:3], _NO_FORM)
    return other_form.sub(key, number) if other_form.fullmatch(number) else number


def may_be_same(number: str, other: str) -> bool:
    """Tell whether two numbers may be forms of one number, by their last digits. New digits are added at the front."""
    return number[-_KEPT_DIGITS:] == other[-_KEPT_DIGITS:]


def list_forms(key: str) -> list[str]:
    """Return all forms of the number whose `recipient_key` is `key`, as `wa_id`s (digits only)."""
    forms = [key, *(match.expand(form) for known, form in _FORMS_OF_KEYS if (match := known.fullmatch(key)))]
    return [form.removeprefix("+") for form in forms if recipient_key(form) == key]


# The reverse of `_OTHER_FORMS`: the pattern of a key, and the other form of the same number.
_FORMS_OF_KEYS = (
    (re.compile(r"\+55([1-9][0-9])9([6-9][0-9]{7})"), r"+55\1\2"),
    (re.compile(r"\+52([2-9][0-9]{9})"), r"+521\1"),
    (re.compile(r"\+54([1-9][0-9]{9})"), r"+549\1"),
)

_NUMBER = re.compile(r"\+?[1-9][0-9]{6,14}")


def is_number(text: str) -> bool:
    """Tell whether a text is a phone number in E.164, or a `wa_id`."""
    return _NUMBER.fullmatch(text) is not None


def invalid_phone(text: str) -> Refusal:
    """Return the refusal of a text that a person gave as a phone."""
    return Refusal("phone_invalid", "{phone} is not a phone number such as +5511999990000.", phone=text)
