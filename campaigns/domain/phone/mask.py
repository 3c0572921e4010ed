"""Masks phones and user ids for people who may not see them."""

from __future__ import annotations

import re

import phonenumbers

from campaigns.domain.phone.person import is_number

MASK = "•"
_KEPT_AT_END = 4
_KEPT_AT_START = 3  # of the national number: the area code of most countries, and the first digit behind it
_LEAST_HIDDEN = 4
_KEPT_OF_ID = 2
# Seven digits or more, with the signs that people write between them, but not the date in "people 2026-11-28.csv".
_NUMBER_IN_TEXT = re.compile(
    r"(?<!\d)(?P<date>20\d\d(?P<sign>-?)(?:0[1-9]|1[0-2])(?P=sign)(?:0[1-9]|[12]\d|3[01]))(?!\d)"
    r"|\+?\d(?:[\s().-]{0,2}\d){6,}"
)


def mask_number(key: str) -> str:
    """Return a phone in E.164 as `+55 11 9••••-0021`. Of a user id, the first and the last two characters are left."""
    if not is_number(key):
        return f"{key[:_KEPT_OF_ID]}{MASK * _LEAST_HIDDEN}{key[-_KEPT_OF_ID:]}" if len(key) > _LEAST_HIDDEN else MASK
    try:
        parsed = phonenumbers.parse(key)
        country, _, national = phonenumbers.format_number(
            parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL
        ).partition(" ")
    except phonenumbers.NumberParseException:
        country, national = key[:2], key[2:]
    count = sum(sign.isdigit() for sign in national)
    at_end = min(_KEPT_AT_END, max(count - _LEAST_HIDDEN, 0))
    at_start = min(_KEPT_AT_START, max(count - at_end - _LEAST_HIDDEN, 0))
    shown, position = [], 0
    for sign in national:
        is_hidden = sign.isdigit() and at_start <= position < count - at_end
        position += sign.isdigit()
        shown.append(MASK if is_hidden else sign)
    return f"{country} {''.join(shown)}"


def mask_numbers(text: str) -> str:
    """Mask everything in a text that may be a phone, in whatever way it is written."""
    return _NUMBER_IN_TEXT.sub(lambda match: match["date"] or re.sub(r"\d", MASK, match[0]), text)
