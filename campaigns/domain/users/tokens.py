"""The tokens of the API: how they are written, and how long they are valid.

A token is `rv_`, 34 random characters and a checksum of 6 characters. So a program that looks for secrets finds it in
a text, and a token with a wrong character is refused without a question to Postgres.
"""

from __future__ import annotations

import string
import zlib

from campaigns.domain.statement import Refusal

PREFIX = "rv_"
RANDOM_CHARACTERS = 34
ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
MAX_DAYS = 365
_CHECKSUM_CHARACTERS = 6
_MAX_NAME = 64


def write_token(random: str) -> str:
    """Return the token with these random characters, which are of `ALPHABET`."""
    return f"{PREFIX}{random}{_compute_checksum(random)}"


def is_token(text: str) -> bool:
    """Tell whether a text is written as a token is, with the right checksum."""
    random = text[len(PREFIX) : -_CHECKSUM_CHARACTERS]
    is_written_so = len(random) == RANDOM_CHARACTERS and all(each in ALPHABET for each in random)
    return is_written_so and text == write_token(random)


def check_token_name(name: str) -> str:
    """Return the name of a token without spaces around it. Raises Refusal."""
    name = name.strip()
    if not 1 <= len(name) <= _MAX_NAME or not name.isprintable():
        text = "The name of a token is one line of 1 to {most} characters."
        raise Refusal("api_token_name_invalid", text, most=_MAX_NAME)
    return name


def check_token_days(days: int) -> int:
    """Return the number of days for which a token is valid. Raises Refusal."""
    if not 1 <= days <= MAX_DAYS:
        raise Refusal("api_token_days_out_of_range", "A token is valid for 1 to {most} days.", most=MAX_DAYS)
    return days


def _compute_checksum(random: str) -> str:
    """Return the CRC-32 of the characters as six digits to the base of 62."""
    rest, digits = zlib.crc32(random.encode()), ""
    for _ in range(_CHECKSUM_CHARACTERS):
        rest, digit = divmod(rest, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits
