"""Finds the cells whose kind differs from that of nearly all others in their column, such as a date among amounts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache
from types import MappingProxyType

from campaigns.domain.text.dates import is_named_date
from campaigns.domain.text.normal import fold, is_blank, split_words, standardize

# A column has a kind if at least this number of its cells, and at least this part of them, have the kind.
_LEAST_CELLS = 3
_NEARLY_ALL = 0.75
# At most this number of cells of one kind is kept for each column. More cells are no slips.
_MOST_KEPT = 5_000
_MOST_SHOWN_DIGITS = 7
_MOST_SHOWN = 40

_NUMBER = r"[0-9]{1,3}(?:[.,' ][0-9]{3})+(?:[.,][0-9]+)?|[0-9]+(?:[.,][0-9]+)?"
_SIGN = r"(?:[A-Z]{0,3}[$€£¥]|BRL|USD|EUR)"
_AMOUNT = re.compile(rf"[-+(]?{_SIGN} ?[-+]?(?:{_NUMBER})\)?|[-+]?(?:{_NUMBER}) ?(?:%|[$€£¥]|BRL|USD|EUR)")
_PLAIN_NUMBER = re.compile(rf"[-+]?(?:{_NUMBER})")
_DECIMAL = re.compile(r"[-+]?(?:[0-9]{1,3}(?:[.,' ][0-9]{3})+|[0-9]+)[.,][0-9]{1,2}")
_DATE = re.compile(
    r"(?:[0-9]{1,2}([/.-])[0-9]{1,2}\1(?:[0-9]{2}|[0-9]{4})|[0-9]{4}([/.-])[0-9]{1,2}\2[0-9]{1,2})(?:,?[ T].*)?"
    r"|(?:0?[1-9]|[12][0-9]|3[01])/(?:0?[1-9]|1[0-2])"
)
_MONTH = re.compile(
    r"(?:0?[1-9]|1[0-2])[/-](?:(?:19|20)[0-9]{2}|1[3-9]|[2-9][0-9])|(?:19|20)[0-9]{2}[/-](?:0[1-9]|1[0-2])"
)
_TIME = re.compile(r"[0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?|[0-9]{1,2} ?h(?: ?[0-9]{2})?")
# The numbers by which Excel stores the dates of the years 2000 to 2099.
_DATE_NUMBER = re.compile(r"[0-9]{5}")
_DATE_DIGITS = 5
_SHORT = 10  # the most characters of such a number with the spaces around it
_DATE_NUMBERS = range(36526, 73051)


class _Kind(Enum):
    AMOUNT = auto()  # with a currency or a percent sign
    DECIMAL = auto()
    WHOLE = auto()
    DATE_NUMBER = auto()  # a whole number that may be a date of Excel
    ZERO = auto()  # of an amount, or of a number
    DATE = auto()
    MONTH = auto()
    TIME = auto()
    TEXT = auto()  # without a digit
    MIXED = auto()  # letters and digits


# By the kind of nearly all cells of a column, the kinds that are usual among them.
_USUAL: Mapping[_Kind, frozenset[_Kind]] = MappingProxyType({
    _Kind.AMOUNT: frozenset({_Kind.AMOUNT}),
    _Kind.DECIMAL: frozenset({_Kind.DECIMAL, _Kind.WHOLE}),
    _Kind.WHOLE: frozenset({_Kind.WHOLE, _Kind.DATE_NUMBER, _Kind.DECIMAL, _Kind.ZERO, _Kind.MIXED}),
    _Kind.DATE: frozenset({_Kind.DATE}),
    _Kind.MONTH: frozenset({_Kind.MONTH}),
    _Kind.TIME: frozenset({_Kind.TIME}),
    _Kind.TEXT: frozenset({_Kind.TEXT, _Kind.MIXED}),
})  # fmt: skip
# What a column has, worded to follow "nearly all other cells of the column are".
_NAMES: Mapping[_Kind, str] = MappingProxyType({
    _Kind.AMOUNT: "amounts with a currency or a percent sign",
    _Kind.DECIMAL: "numbers with decimals",
    _Kind.WHOLE: "numbers",
    _Kind.DATE: "dates with day, month and year",
    _Kind.MONTH: "months",
    _Kind.TIME: "times of day",
})  # fmt: skip
# A person may mean a text, such as "free" among prices. A person may also mean a price of zero, or one number without a
# currency among amounts.
_TEXTS = frozenset({_Kind.TEXT, _Kind.MIXED})
_NUMBERS = frozenset({_Kind.AMOUNT, _Kind.DECIMAL, _Kind.WHOLE, _Kind.ZERO})
_WHOLE = frozenset({_Kind.WHOLE, _Kind.DATE_NUMBER, _Kind.ZERO})
# In a column of amounts that has no kind, by kind of a cell that may be no amount, why its row is rejected.
_NO_AMOUNT = "is {shown}, which is no amount: correct it"
_NO_AMOUNTS: Mapping[_Kind, str] = MappingProxyType({
    _Kind.DATE: _NO_AMOUNT,
    _Kind.MONTH: _NO_AMOUNT,
    _Kind.TIME: _NO_AMOUNT,
    _Kind.DATE_NUMBER: "is {shown}, which may be the number of a date: write it like the other amounts, or correct it",
    _Kind.ZERO: "",
})  # fmt: skip
# Words in the name of a column or a variable of amounts, or before the variable in the text.
_AMOUNT_WORDS = frozenset({
    "amount", "amounts", "importe", "monto", "preco", "precos", "precio", "price", "prices", "saldo", "valor",
    "valores", "vlr",
})  # fmt: skip
_WORDS_BEFORE = 3
_SIGN_BEFORE = re.compile(rf"{_SIGN}[\s*_~]*\Z")
_SIGN_AFTER = re.compile(r"[\s*_~]*(?:[%€]|(?:reais|reales|euros?|d[oó]lar(?:e?s)?|dollars?|pesos?)\b)")


@dataclass(frozen=True, slots=True)
class OddCell:
    """A cell whose kind differs from nearly all others in its column. `shown`: its text; "" if it may be a phone.

    `reason`: why its row is rejected, worded to follow the name of the column; "" if a person may mean the cell.
    """

    row_number: int
    position: int
    shown: str
    reason: str


def has_amounts(column: str, variable: str, excerpt: str) -> bool:
    """Tell whether a column has amounts, by its name, the variable that it fills, and the text around the variable."""
    before, _, rest = excerpt.partition("{{")
    after = rest.partition("}}")[2]
    words = {*split_words(column), *split_words(variable), *fold(before).split()[-_WORDS_BEFORE:]}
    return bool(words & _AMOUNT_WORDS or _SIGN_BEFORE.search(before) or _SIGN_AFTER.match(after))


# The name of each kind in a column, with the number of its cells and the first row that has one.
KindCounts = Mapping[str, Sequence[int]]


def find_contradiction(earlier: KindCounts, later: KindCounts) -> int | None:
    """Return the first row of a column whose kind contradicts that of the same column in an earlier file, else None.

    The kinds contradict each other if at least half of the later cells are unusual in the earlier column, or if nearly
    all earlier cells are unusual in the later column.
    """
    before, now = _read_counts(earlier), _read_counts(later)
    usual_before, usual_now = _find_usual(before, least=1), _find_usual(now, least=1)
    if usual_before is not None:
        odd = now.keys() - _USUAL[usual_before]
        found = sum(now[kind] for kind in odd) * 2 >= now.total()
    elif usual_now is not None and before:
        odd = now.keys() & _USUAL[usual_now]
        found = sum(before[kind] for kind in before.keys() - _USUAL[usual_now]) >= before.total() * _NEARLY_ALL
    else:
        return None
    return min((later[kind.name][1] for kind in odd), default=None) if found else None


def _read_counts(counts: KindCounts) -> Counter[_Kind]:
    """Return the number of cells of each kind. Another version of Revoada may have written other kinds."""
    return Counter({_Kind[name]: count for name, (count, _row) in counts.items() if name in _Kind.__members__})


class OddCells:
    """The kinds of the cells of some columns, until all rows are read.

    `positions`: the columns. `amounts`: the columns of amounts.
    """

    def __init__(self, positions: Sequence[int], amounts: Collection[int] = ()) -> None:
        self._amounts = amounts
        self._counts = {position: Counter[_Kind]() for position in positions}
        self._kept: dict[tuple[int, _Kind], list[tuple[int, str]]] = {}

    def add(self, row_number: int, cells: Sequence[str]) -> None:
        for position, counts in self._counts.items():
            cell = cells[position] if position < len(cells) else ""
            if (kind := _find_kind(cell)) is None:
                continue
            counts[kind] += 1
            kept = self._kept.setdefault((position, kind), [])
            if len(kept) < _MOST_KEPT:
                kept.append((row_number, cell))

    def count_kinds(self, position: int) -> KindCounts:
        """Return the kinds of the cells of a column."""
        counts = self._counts[position].items()
        return {kind.name: (count, self._kept[position, kind][0][0]) for kind, count in counts}

    def find(self) -> list[OddCell]:
        """Return the odd cells of all columns, in the order of the rows."""
        found = [each for position, counts in self._counts.items() for each in self._find_in(position, counts)]
        return sorted(found, key=lambda each: (each.row_number, each.position))

    def _find_in(self, position: int, counts: Counter[_Kind]) -> Iterator[OddCell]:
        for kind, reason in _find_odd(counts, has_amounts=position in self._amounts).items():
            kept = self._kept[position, kind]
            if len(kept) < counts[kind]:
                continue
            for row_number, cell in kept:
                shown = _show(cell)
                yield OddCell(row_number, position, shown, reason.format(shown=shown))


def _find_odd(counts: Counter[_Kind], *, has_amounts: bool) -> dict[_Kind, str]:
    """Return the kinds that are odd in a column, with the reason why their rows are rejected; "" if it may be meant."""
    usual = _find_usual(counts)
    few = (1 - _NEARLY_ALL) * counts.total()
    if usual is None:
        # Whole numbers alone may all be amounts, such as 45000 and 120000, and so may many numbers that may be dates.
        takes_numbers = counts.keys() <= _WHOLE or counts[_Kind.DATE_NUMBER] > max(few, 1)
        kinds = _NO_AMOUNTS.keys() - ({_Kind.DATE_NUMBER} if takes_numbers else set())
        return {kind: _NO_AMOUNTS[kind] for kind in counts.keys() & kinds} if has_amounts else {}
    text = f"is {{shown}}, but nearly all other cells of the column are {_NAMES.get(usual)}: correct it"
    odd = {
        kind: "" if {usual, kind} & _TEXTS or {usual, kind} <= _NUMBERS else text
        for kind in counts.keys() - _USUAL[usual]
    }
    if usual is _Kind.WHOLE and has_amounts:
        told = {_Kind.ZERO, _Kind.DATE_NUMBER} if counts[_Kind.DATE_NUMBER] <= few else {_Kind.ZERO}
        odd |= dict.fromkeys(counts.keys() & told, "")
    return odd


def _find_usual(counts: Counter[_Kind], *, least: int = _LEAST_CELLS) -> _Kind | None:
    """Return the kind of nearly all cells of a column, and of at least `least`; None if there is none."""
    needed = max(least, _NEARLY_ALL * counts.total())
    merged = counts + Counter({_Kind.WHOLE: counts[_Kind.DATE_NUMBER]})
    kind = next((kind for kind in _USUAL if merged[kind] >= needed), None)
    if kind is None and merged[_Kind.WHOLE] + merged[_Kind.DECIMAL] >= needed:
        return _Kind.WHOLE
    return kind


def _show(cell: str) -> str:
    """Return the beginning of a cell. A cell with the digits of a phone is not shown."""
    text = " ".join(cell.split())
    if sum(map(str.isdigit, text)) > _MOST_SHOWN_DIGITS and _DATE.fullmatch(standardize(text)) is None:
        return "…"
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"


# Most cells of a column have few forms if all digits but 0 are equal. The digits tell the kind of dates and months, and
# of the numbers of dates.
_SAME_DIGITS = str.maketrans("23456789", "11111111")
_HAS_DIGIT = re.compile(r"\d")


def _find_kind(cell: str) -> _Kind | None:
    """Return the kind of a cell; None if the cell is blank."""
    if _HAS_DIGIT.search(cell) is None:  # nearly every name
        return None if is_blank(cell) else _Kind.TEXT
    if "/" in cell or "-" in cell or (len(cell) < _SHORT and len(_HAS_DIGIT.findall(cell)) == _DATE_DIGITS):
        return _read_kind(cell)
    return _read_kind(cell.translate(_SAME_DIGITS))


@lru_cache(20_000)
def _read_kind(cell: str) -> _Kind:
    """Return the kind of a cell with digits."""
    text = standardize(cell)
    if not any(map(str.isdigit, text)):
        return _Kind.TEXT
    kind = next((kind for pattern, kind in _FORMS if pattern.fullmatch(text)), None)
    if kind in _NUMBERS and not re.search("[1-9]", text):
        return _Kind.ZERO
    if kind is None:
        return _Kind.DATE if is_named_date(text) else _Kind.MIXED
    return _Kind.DATE_NUMBER if _DATE_NUMBER.fullmatch(text) and int(text) in _DATE_NUMBERS else kind


# The form of each kind; the first that fits the whole cell counts.
_FORMS = (
    (_AMOUNT, _Kind.AMOUNT),
    (_MONTH, _Kind.MONTH),
    (_DATE, _Kind.DATE),
    (_TIME, _Kind.TIME),
    (_DECIMAL, _Kind.DECIMAL),
    (_PLAIN_NUMBER, _Kind.WHOLE),
)
