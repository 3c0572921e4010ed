"""Which rows of a recipients file are recipients, and what is wrong with the others. Never repeats a phone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from campaigns.domain.filling import RowCheck

PHONE = "phone"

_WRONG_SEPARATORS = ((";", "semicolons"), ("\t", "tabs"), ("|", "bars"))

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")


class RecipientsError(ValueError):
    """The file as a whole cannot be read. The message is one sentence for a person."""


class Recipient(NamedTuple):
    """One person. A tuple, because there are millions of them: half the cost of a frozen dataclass."""

    phone: str
    variables: list[str]


@dataclass(frozen=True, slots=True)
class RowProblem:
    """Why a row is no recipient: `column` as the header names it, `reason` as it goes on after that name."""

    column: str
    reason: str


@dataclass(frozen=True, slots=True)
class Columns:
    """Where a file has what. `variables`: the positions of the values, in the order in which a send takes them."""

    names: tuple[str, ...]
    phone: int
    variables: tuple[int, ...]


def read_header(cells: Sequence[str], variables: Sequence[str]) -> Columns:
    """Find the `phone` column and one column for each of the template's `variables`, in their order.

    Columns that bear exactly the names of the variables are taken by name, whatever their order.
    """
    names = [cell.strip() for cell in cells]
    while names and not names[-1]:
        names.pop()
    folded = [name.lower() for name in names]
    if PHONE not in folded:
        raise RecipientsError(_explain_no_phone(names))
    if folded.count(PHONE) > 1:
        raise RecipientsError("the header has two columns named phone")
    phone = folded.index(PHONE)
    others = [position for position in range(len(names)) if position != phone]
    if len(others) != len(variables):
        listed = f" ({', '.join(names[position] for position in others)})" if others else ""
        wanted = f" ({', '.join(f'{{{{{variable}}}}}' for variable in variables)})" if variables else ""
        raise RecipientsError(
            f"the header has {_count(len(others), 'column')} beside phone{listed}, "
            f"the template takes {_count(len(variables), 'variable')}{wanted}"
        )
    if len(set(variables)) == len(variables) and {names[position] for position in others} == set(variables):
        others = [names.index(variable) for variable in variables]
    return Columns(tuple(names), phone, tuple(others))


def read_row(columns: Columns, cells: Sequence[str], check: RowCheck) -> Recipient | RowProblem | None:
    """Return the recipient in a row, what is wrong with it, or None for a row without anything in it."""
    width = len(columns.names)
    if len(cells) < width:
        return RowProblem(columns.names[len(cells)], "is missing") if _has_text(cells) else None
    if len(cells) > width and _has_text(cells[width:]):
        return RowProblem(f"column {width + 1}", "is not in the header")
    phone = cells[columns.phone].strip()
    if not _E164.fullmatch(phone):
        return RowProblem(columns.names[columns.phone], _explain_phone(phone)) if _has_text(cells) else None
    variables = [cells[position] for position in columns.variables]
    if found := check(variables):
        position, problem = found
        return RowProblem(columns.names[columns.variables[position]], problem)
    return Recipient(phone, variables)


def _has_text(cells: Sequence[str]) -> bool:
    return any(cell.strip() for cell in cells)


def _explain_phone(phone: str) -> str:
    if not phone:
        return "is empty"
    if not phone.startswith("+"):
        return "does not start with + and the country code"
    return "is not a phone number such as +5511999990000"


def _explain_no_phone(names: Sequence[str]) -> str:
    if not names:
        return "the first row is empty, it must name the columns"
    for separator, word in _WRONG_SEPARATORS:
        if len(names) == 1 and PHONE in [part.strip() for part in names[0].lower().split(separator)]:
            return f"its columns are separated by {word}, they must be separated by commas"
    return "the first row names no column phone"


def _count(count: int, noun: str) -> str:
    return f"{count or 'no'} {noun}{'' if count == 1 else 's'}"
