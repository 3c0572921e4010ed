"""Who is the same person on WhatsApp: one account, whichever way its number is written."""

from __future__ import annotations

import re

# Numbers that changed their length while accounts kept the old form: either reaches the same account, and Meta's
# `wa_id` may be the other one. By the country's code; each pattern matches the form that is not the key.
_OTHER_FORMS = {
    # Brazil put a 9 before the eight digits of mobile numbers, which begin with 6 to 9; landlines begin with 2 to 5.
    "+55": (re.compile(r"\+55([1-9][0-9])([6-9][0-9]{7})"), r"+55\g<1>9\2"),
    # Mexico had a 1 before the ten digits of a mobile number.
    "+52": (re.compile(r"\+521([2-9][0-9]{9})"), r"+52\1"),
    # Argentina has a 9 before the ten digits of a mobile number, when it is called from abroad.
    "+54": (re.compile(r"\+549([1-9][0-9]{9})"), r"+54\1"),
}
_NO_FORM = (re.compile("(?!)"), "")
# What no form changes, whatever country changes its numbers next.
_KEPT_DIGITS = 7


def recipient_key(number: str) -> str:
    """Return the one form that stands for a person, for an E.164 number or a `wa_id` (the same without `+`).

    It serves to compare people (duplicates, opt-outs, limits), not to write to them: what is sent goes to the number
    as given.
    """
    number = number if number.startswith("+") else f"+{number}"
    other_form, key = _OTHER_FORMS.get(number[:3], _NO_FORM)
    return other_form.sub(key, number) if other_form.fullmatch(number) else number


def may_be_same(number: str, other: str) -> bool:
    """Tell whether two numbers may be forms of the same one. Countries lengthen numbers at their front."""
    return number[-_KEPT_DIGITS:] == other[-_KEPT_DIGITS:]


def list_forms(key: str) -> list[str]:
    """Return every way to write the number of a person, as `wa_id`s (digits only), for a `recipient_key`."""
    forms = [key, *(match.expand(form) for known, form in _FORMS_OF_KEYS if (match := known.fullmatch(key)))]
    return [form.removeprefix("+") for form in forms if recipient_key(form) == key]


# The way back: a key, and the form that may have led to it.
_FORMS_OF_KEYS = (
    (re.compile(r"\+55([1-9][0-9])9([6-9][0-9]{7})"), r"+55\1\2"),
    (re.compile(r"\+52([2-9][0-9]{9})"), r"+521\1"),
    (re.compile(r"\+54([1-9][0-9]{9})"), r"+549\1"),
)

_NUMBER = re.compile(r"\+?[1-9][0-9]{6,14}")


def is_number(text: str) -> bool:
    """Tell whether this is a phone number in E.164, or a `wa_id`."""
    return _NUMBER.fullmatch(text) is not None
