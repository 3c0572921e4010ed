"""Recognizes the numbers of Brazilian documents, which people take for phones: CPF of a person, CNPJ of a company."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from campaigns.domain.text.normal import fold

_CPF, _CNPJ = 11, 14
# The most zeros at the beginning that a spreadsheet drops from a number.
_LOST_ZEROS = 2
_NEARLY_ALL = 0.9
_WRITTEN = re.compile(r"\s*(?:[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}|[0-9]{2}\.[0-9]{3}\.[0-9]{3}/[0-9]{4}-[0-9]{2})\s*")
# The weights of the digits before each of the two check digits. Source: Receita Federal.
_CPF_WEIGHTS = (10, 9, 8, 7, 6, 5, 4, 3, 2)
_CNPJ_WEIGHTS = (5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)

# A column with one of these words in its name has the numbers of documents.
_WORDS = ("cpf", "cnpj", "documento")


def names_documents(text: str) -> bool:
    """Tell whether the name of a column, or a text, names a document."""
    return any(word in fold(text) for word in _WORDS)


def find_document_columns(rows: Sequence[Sequence[str]], positions: Iterable[int]) -> frozenset[int]:
    """Return the positions of the columns in which nearly all texts of the rows are numbers of documents.

    One text alone counts only if it is written as a document is, such as 529.982.247-25.
    """
    return frozenset(
        position for position in positions if _has_documents([row[position] for row in rows if position < len(row)])
    )


def _has_documents(cells: Sequence[str]) -> bool:
    filled = [cell for cell in cells if cell.strip()]
    found = [cell for cell in filled if is_document(getattr(cell, "digits", "") or cell)]
    is_certain = len(found) > 1 or any(map(_WRITTEN.fullmatch, found))
    return is_certain and len(found) >= _NEARLY_ALL * len(filled)


def is_document(text: str) -> bool:
    """Tell whether a text has the digits of a CPF or a CNPJ with valid check digits.

    One in a hundred phones looks like one by chance, so only many cells together tell what a column has. A number with
    a + is a phone.
    """
    if "+" in text:
        return False
    digits = [int(each) for each in text if each.isdecimal() and each.isascii()]
    return any(
        length - _LOST_ZEROS <= len(digits) <= length and _is_valid([0] * (length - len(digits)) + digits, weights)
        for length, weights in ((_CPF, _CPF_WEIGHTS), (_CNPJ, _CNPJ_WEIGHTS))
    )


def _is_valid(digits: Sequence[int], weights: Sequence[int]) -> bool:
    if len(set(digits)) == 1:  # 111.111.111-11 has valid check digits and belongs to nobody
        return False
    first = _check_digit(digits[:-2], weights)
    return digits[-2] == first and digits[-1] == _check_digit(digits[:-1], (weights[0] + 1, *weights))


def _check_digit(digits: Sequence[int], weights: Sequence[int]) -> int:
    rest = sum(digit * weight for digit, weight in zip(digits, weights, strict=True)) % 11
    return 0 if rest < 2 else 11 - rest  # noqa: PLR2004
