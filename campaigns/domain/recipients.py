"""Which rows of a recipients file are recipients, and what is wrong with the others. Never repeats a phone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Self

from campaigns.domain.filling import RowCheck
from campaigns.domain.phone.number import PhoneError, PhoneReader
from campaigns.domain.template import variable_problem

# What columns are called, in any case, where nobody says which they are.
PHONE_NAMES = ("phone", "telefone", "celular", "whatsapp")
CONSENT_NAMES = ("consent", "consentimento", "origem")

_SHOWN_NAMES = 10
_SHOWN_LENGTH = 60
_LONG_NUMBER = re.compile(r"\+?([ ().-]*[0-9]){10,}[ ().-]*")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class RecipientsError(ValueError):
    """The file as a whole cannot be read. The message is one sentence for a person."""


class Recipient(NamedTuple):
    """One person. A tuple, because there are millions of them: half the cost of a frozen dataclass.

    `consent`: where the file says that the person agreed to get messages, None when it does not.
    """

    phone: str
    variables: list[str]
    consent: str | None = None


@dataclass(frozen=True, slots=True)
class RowProblem:
    """Why a row is no recipient: `column` as the header names it, `reason` as it goes on after that name."""

    column: str
    reason: str


class Cell(str):
    """A cell of a workbook that is no text. The string is the text that Excel shows, as far as that is known.

    `digits`: the whole number in the cell, from which a phone is read whatever the number format; "" when there is
    none. `problem`: the reason why the cell cannot be used as a text, worded to follow the name of a column; "" when it
    can.
    """

    __slots__ = ("digits", "problem")

    digits: str
    problem: str

    def __new__(cls, shown: str, *, digits: str = "", problem: str = "") -> Self:
        cell = super().__new__(cls, shown)
        cell.digits = digits
        cell.problem = problem
        return cell


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which columns are meant; what is not said is guessed. `mapping`: variable → column."""

    phone: str | None = None
    consent: str | None = None
    mapping: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Columns:
    """Where a file has what. `variables`: the positions of the values, in the order in which a send takes them."""

    names: tuple[str, ...]
    phone: int
    variables: tuple[int, ...]
    consent: int | None = None

    @property
    def ignored(self) -> list[str]:
        """The names of the columns that nothing is taken from."""
        used = {self.phone, self.consent, *self.variables}
        return [name for position, name in enumerate(self.names) if position not in used]


def read_header(cells: Sequence[str], variables: Sequence[str], choice: Choice | None = None) -> Columns:
    """Find the column of the phone, those of the template's `variables`, and that of the consent.

    A variable is in the column that is mapped to it, else in the one of its name; where neither is so for any, the
    columns beside phone and consent are the variables in their order, if there are as many.
    """
    choice = choice or Choice()
    names = [_CONTROL.sub(" ", cell).strip() for cell in cells]
    while names and not names[-1]:
        names.pop()
    if not names:
        raise RecipientsError("the first row is empty, it must name the columns")
    if any(_LONG_NUMBER.fullmatch(name) for name in names):  # never repeated: it is somebody's phone
        raise RecipientsError("the first row has somebody's number in it, it must name the columns")
    phone = _find_phone(names, choice.phone)
    consent = _find_column(names, choice.consent) if choice.consent else _guess(names, CONSENT_NAMES)
    return Columns(tuple(names), phone, _find_variables(names, variables, choice.mapping, {phone, consent}), consent)


def read_row(
    columns: Columns, cells: Sequence[str], check: RowCheck, read_phone: PhoneReader
) -> Recipient | RowProblem | None:
    """Return the recipient in a row, what is wrong with it, or None for a row without anything in it."""
    width = len(columns.names)
    if len(cells) != width:
        if _has_text(cells[width:]):
            return RowProblem(f"column {width + 1}", "is not in the header")
        cells = [*cells, *[""] * (width - len(cells))]
    try:
        phone = read_phone(phone_text(cells[columns.phone]))
    except PhoneError as error:
        return RowProblem(columns.names[columns.phone], str(error)) if _has_text(cells) else None
    variables = [cells[position] for position in columns.variables]
    if wrong := _check_cells(columns, cells) or _check_variables(columns, variables, check):
        return wrong
    if columns.consent is None or not (consent := cells[columns.consent].strip()):
        return Recipient(phone, variables)
    if trouble := variable_problem(consent):
        return RowProblem(columns.names[columns.consent], trouble)
    return Recipient(phone, variables, consent)


def phone_text(cell: str) -> str:
    """Return the text from which a phone is read: for a number its digits, whatever its format. Raises PhoneError."""
    if not isinstance(cell, Cell):
        return cell
    if not cell.digits:
        raise PhoneError(cell.problem or "is not a phone number")
    return cell.digits


def list_names(names: Sequence[str]) -> str:
    """Return names for a sentence, however many and long they are."""
    shown = [name if len(name) <= _SHOWN_LENGTH else f"{name[:_SHOWN_LENGTH]}…" for name in names[:_SHOWN_NAMES]]
    more = len(names) - len(shown)
    return ", ".join(name or "(no name)" for name in shown) + (f" and {more:,} more" if more else "")


def _find_phone(names: Sequence[str], chosen: str | None) -> int:
    if chosen is not None:
        return _find_column(names, chosen)
    found = [position for position, name in enumerate(names) if name.casefold() in PHONE_NAMES]
    if not found:
        raise RecipientsError(
            f"no column of the first row ({list_names(names)}) is named {', '.join(PHONE_NAMES[:-1])} or "
            f"{PHONE_NAMES[-1]}: say which has the phones with --phone-column"
        )
    if len(found) > 1:
        several = [names[position] for position in found]
        if len({name.casefold() for name in several}) == 1:
            raise RecipientsError(f"the header has two columns named {several[0]}")
        raise RecipientsError(f"phones may be in {' or '.join(several)}: choose with --phone-column")
    return found[0]


def _find_column(names: Sequence[str], name: str) -> int:
    """Return where the column is that a person named, in any case."""
    wanted = name.strip().casefold()
    found = [position for position, each in enumerate(names) if each.casefold() == wanted]
    if not found:
        raise RecipientsError(f"there is no column {name!r}, the columns are {list_names(names)}")
    if len(found) > 1:
        raise RecipientsError(f"the header has two columns named {names[found[0]]}")
    return found[0]


def _guess(names: Sequence[str], usual: Sequence[str]) -> int | None:
    return next((position for position, name in enumerate(names) if name.casefold() in usual), None)


def _find_variables(
    names: Sequence[str], variables: Sequence[str], mapping: Mapping[str, str], taken: Iterable[int | None]
) -> tuple[int, ...]:
    for variable in mapping:
        if variables.count(variable) != 1:
            listed = f"its variables are {list_names(variables)}" if variables else "it has no variables"
            raise RecipientsError(f"--map names {variable!r}, which is not one variable of the template: {listed}")
    is_by_name = len(set(variables)) == len(variables)
    named = {name.casefold() for name in names} if is_by_name else set()
    missing = [variable for variable in variables if variable not in mapping and variable.casefold() not in named]
    if not missing:
        return tuple(_find_column(names, mapping.get(variable, variable)) for variable in variables)
    others = [position for position in range(len(names)) if position not in set(taken)]
    if not mapping and len(others) == len(variables):
        return tuple(others)
    listed = list_names([names[position] for position in others])
    proposal = " ".join(f"--map '{variable}=COLUMN'" for variable in missing)
    raise RecipientsError(
        f"the template takes {_count(len(variables), 'variable')} ({list_names(variables)}), the file has "
        f"{_count(len(others), 'column')} for them{f' ({listed})' if others else ''}: "
        + (f"say which is which with {proposal}" if others else "add the columns")
    )


def _check_cells(columns: Columns, cells: Sequence[str]) -> RowProblem | None:
    """Name the cell of a workbook whose shown text is not known."""
    for position in (*columns.variables, columns.consent):
        if position is not None and isinstance(cell := cells[position], Cell) and cell.problem:
            return RowProblem(columns.names[position], cell.problem)
    return None


def _check_variables(columns: Columns, variables: Sequence[str], check: RowCheck) -> RowProblem | None:
    if found := check(variables):
        position, problem = found
        return RowProblem(columns.names[columns.variables[position]], problem)
    return None


def _has_text(cells: Sequence[str]) -> bool:
    return any(cell.strip() for cell in cells)


def _count(count: int, noun: str) -> str:
    return f"{count or 'no'} {noun}{'' if count == 1 else 's'}"
