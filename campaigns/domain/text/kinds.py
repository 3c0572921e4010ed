"""Finds columns whose cells are of several kinds, and rejects the cells that cannot be meant.

A date among amounts cannot be meant. A person may mean 20% and 0,2 in the same column, so such a column is only told.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from functools import lru_cache
from itertools import combinations
from types import MappingProxyType
from typing import Any, NamedTuple

from campaigns.domain.text.date_numbers import names_dates, tells_date
from campaigns.domain.text.dates import is_named_date
from campaigns.domain.text.normal import fold, is_blank, split_words, standardize

# A column has a kind if at least this number of its cells, and at least this part of them, have the kind.
_LEAST_CELLS = 3
_NEARLY_ALL = 0.75
# At most this number of cells of one kind is kept for each column. More cells are no slips.
_MOST_KEPT = 5_000
_MOST_SHOWN_DIGITS = 7
_MOST_SHOWN = 40

# The sign before the decimals differs from the signs between the thousands, so 1.234.50 is no number.
_THOUSANDS = r"[0-9]{1,3}(?:\.[0-9]{3})+(?!\.)|[0-9]{1,3}(?:,[0-9]{3})+(?!,)|[0-9]{1,3}(?:[' ][0-9]{3})+"
_NUMBER = rf"(?:{_THOUSANDS}|[0-9]+)(?:[.,][0-9]+)?"
_SIGN = r"(?:[A-Z]{0,3}[$€£¥]|BRL|USD|EUR)"
_AMOUNT = re.compile(rf"[-+(]?{_SIGN} ?[-+]?(?:{_NUMBER})\)?|[-+]?(?:{_NUMBER}) ?(?:%|[$€£¥]|BRL|USD|EUR)")
_PLAIN_NUMBER = re.compile(rf"[-+]?(?:{_NUMBER})")
_DECIMAL = re.compile(rf"[-+]?(?:{_THOUSANDS}|[0-9]+)[.,][0-9]{{1,2}}")
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
_DAY_AND_MONTH = re.compile(r"([0-9]{1,2})[/.-]([0-9]{1,2})(?![0-9])")
_YEAR = re.compile(r"(?<![0-9])[0-9]{4}(?![0-9])")
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
})  # fmt: skip
_TIMES = frozenset({_Kind.DATE, _Kind.MONTH, _Kind.TIME})
# Words in the name of a column or a variable of amounts, or before the variable in the text.
_AMOUNT_WORDS = frozenset({
    "amount", "amounts", "importe", "monto", "preco", "precos", "precio", "price", "prices", "saldo", "valor",
    "valores", "vlr",
})  # fmt: skip
# Words beside a number that people read with a currency or a percent sign.
_WORDS_OF_SIGNS = _AMOUNT_WORDS | {
    "bonus", "cashback", "credit", "credito", "desconto", "descuento", "discount", "off",
}  # fmt: skip
# Words in the names of columns of percentages, and of amounts of money.
_PERCENT_NAMES = frozenset({
    "desconto", "descuento", "discount", "juros", "off", "percent", "percentage", "percentual", "porcentagem",
    "porcentaje", "rate", "taxa",
})  # fmt: skip
_MONEY_NAMES = _AMOUNT_WORDS | {"bonus", "cashback", "cost", "credit", "credito", "custo", "fatura", "total"}
_FRACTION = re.compile(r"0?[.,](?=[0-9]*[1-9])[0-9]+")
_CENTS = re.compile(r"0?[.,][0-9]{2}")
_ONE_DECIMAL = re.compile(r"[-+]?[0-9.,' ]*[0-9][.,][0-9]")
_PERCENT_AFTER = re.compile(r"[\s*_~]*%")
_WORDS_BEFORE, _WORDS_BEHIND = 3, 2
_SIGN_BEFORE = re.compile(rf"{_SIGN}[\s*_~]*\Z")
_SIGN_AFTER = re.compile(r"[\s*_~]*(?:[%€]|(?:reais|reales|euros?|d[oó]lar(?:e?s)?|dollars?|pesos?)\b)")


class Form(StrEnum):
    """A form of a cell. A column that has cells of two forms is told, unless it has codes or free texts."""

    PERCENT = auto()
    MONEY = auto()
    NUMBER = auto()
    DATE_NUMBER = auto()
    NEGATIVE = auto()
    ZERO = auto()
    DATE = auto()
    DAY_FIRST = auto()  # a date that cannot begin with the month
    MONTH_FIRST = auto()  # a date that cannot begin with the day
    FAR_DATE = auto()  # a date whose year is far from those of nearly all others
    MONTH = auto()
    TIME = auto()
    TEXT = auto()
    # The forms of the numbers of a whole column, which seem to lack their number format.
    FRACTION = auto()  # between 0 and 1, such as 0.2 in place of 20%
    ONE_DECIMAL = auto()  # an amount such as 29.9


_FORM_OF: Mapping[_Kind, Form] = MappingProxyType({
    _Kind.AMOUNT: Form.MONEY,
    _Kind.DECIMAL: Form.NUMBER,
    _Kind.WHOLE: Form.NUMBER,
    _Kind.DATE_NUMBER: Form.DATE_NUMBER,
    _Kind.ZERO: Form.ZERO,
    _Kind.DATE: Form.DATE,
    _Kind.MONTH: Form.MONTH,
    _Kind.TIME: Form.TIME,
    _Kind.TEXT: Form.TEXT,
    _Kind.MIXED: Form.TEXT,
})  # fmt: skip
# A number beside a text may be a size or a code. Cells of the other forms are neither.
_BARE = frozenset({Form.NUMBER, Form.DATE_NUMBER, Form.NEGATIVE, Form.ZERO, Form.TEXT})
# In years: most dates of a column are this near to its most frequent year, and a far date is further away than this.
_NEAR_YEARS, _FAR_YEARS = 2, 10


class _Look(NamedTuple):
    """What a cell looks like. `year`: the year of a date, 0 if it has none of four digits."""

    kind: _Kind
    form: Form
    year: int = 0


_PLAIN_TEXT = _Look(_Kind.TEXT, Form.TEXT)


@dataclass(frozen=True, slots=True)
class OddCell:
    """A cell that cannot be meant, because its kind differs from nearly all others in its column.

    `reason`: why its row is rejected, worded to follow the name of the column.
    """

    row_number: int
    position: int
    reason: str


class FormCount(NamedTuple):
    """The cells of one form in a column: their number, the first row and its cell; "…" if it may be a phone."""

    form: Form
    cell_count: int
    row_number: int
    shown: str


def has_amounts(column: str, variable: str, excerpt: str) -> bool:
    """Tell whether a column has amounts, by its name, the variable that it fills, and the text around the variable."""
    before, _, rest = excerpt.partition("{{")
    after = rest.partition("}}")[2]
    words = {*split_words(column), *split_words(variable), *fold(before).split()[-_WORDS_BEFORE:]}
    return bool(words & _AMOUNT_WORDS or _SIGN_BEFORE.search(before) or _SIGN_AFTER.match(after))


def names_amounts(column: str) -> bool:
    """Tell whether the name of a column says that it has amounts."""
    return not _AMOUNT_WORDS.isdisjoint(split_words(column))


def has_currency(excerpt: str) -> bool:
    """Tell whether the text has a currency beside a variable, as in `R$ {{1}}` and `{{1}} reais`."""
    before, _, rest = excerpt.partition("{{")
    after = rest.partition("}}")[2]
    return not has_percent(excerpt) and bool(_SIGN_BEFORE.search(before) or _SIGN_AFTER.match(after))


def has_percent(excerpt: str) -> bool:
    """Tell whether the text has a percent sign behind a variable."""
    return _PERCENT_AFTER.match(excerpt.partition("{{")[2].partition("}}")[2]) is not None


class Clash(StrEnum):
    """What the cells of a column have in a place of the text that has something else."""

    DATES = "dates"  # the text has an amount or a percentage
    TEXTS = "texts"  # the text has an amount or a percentage
    AMOUNTS = "amounts"  # the text has a date
    NO_NAMES = "no_names"  # numbers or dates, where the text greets a person
    NO_SIGN = "no_sign"  # numbers without the currency or the percent sign that the text does not have, either
    SIGN_TWICE = "sign_twice"  # a currency or a percent sign that the text has, too


_GREETS = re.compile(
    r"(?:^|[\s*_~])(?:ol[aá]|oi+|prezad[ao]|querid[ao]|car[ao]|bom dia|boa tarde|boa noite|hi|hello|hey|dear|hola|"
    r"estimad[ao])(?:\([ao]\))?[\s,*_~]*\Z",
    re.IGNORECASE,
)


def find_clash(cells: Sequence[str], excerpt: str, column: str) -> Clash | None:
    """Return what all cells of a column have that does not belong into the text around the variable that they fill.

    `cells`: the first cells of the column. Blank cells do not count. `excerpt`: the text with the variable, such as
    `por R$ {{2}} até`. `column`: the name of the column. None if the cells may be meant.
    """
    looks = [look for cell in cells if (look := _look_at(cell)) is not None]
    if not looks:
        return None
    kinds, has_sign = {look.kind for look in looks}, has_percent(excerpt) or has_currency(excerpt)
    signs = {Form.PERCENT if has_percent(excerpt) else Form.MONEY}
    clashes = {
        Clash.SIGN_TWICE: has_sign and {look.form for look in looks} <= signs,
        Clash.AMOUNTS: tells_date(excerpt) and kinds <= {_Kind.AMOUNT, _Kind.DECIMAL},
        Clash.TEXTS: not tells_date(excerpt) and has_amounts("", "", excerpt) and kinds <= {_Kind.TEXT},
        Clash.DATES: not tells_date(excerpt) and has_amounts("", "", excerpt) and kinds <= _TIMES,
        Clash.NO_NAMES: _GREETS.search(excerpt.partition("{{")[0]) is not None and not kinds & _TEXTS,
        Clash.NO_SIGN: not has_sign and kinds <= _BARE_NUMBERS and _calls_for_sign(column, excerpt),
    }
    return next((clash for clash, is_found in clashes.items() if is_found), None)


def _calls_for_sign(column: str, excerpt: str) -> bool:
    """Tell whether people read a number in this place with a currency or a percent sign."""
    before, _, rest = excerpt.partition("{{")
    words = {*split_words(column), *fold(before).split()[-_WORDS_BEFORE:]}
    words.update(fold(rest.partition("}}")[2]).split()[:_WORDS_BEHIND])
    return not words.isdisjoint(_WORDS_OF_SIGNS)


class ExchangedHeadings(NamedTuple):
    """Two columns whose names say the kind of the other's cells, each with its first cell."""

    column: str
    cell: str
    other_column: str
    other_cell: str


def find_exchanged_headings(columns: Sequence[tuple[str, str, Sequence[str]]]) -> ExchangedHeadings | None:
    """Return two columns such as `discount` with amounts and `credit` with percentages.

    `columns`: the name of each column, the variable that it fills, and its first cells.
    """
    looks = [
        (column, next((cell.strip() for cell in cells if not is_blank(cell)), ""), named, found)
        for column, variable, cells in columns
        if (named := _read_named_form(column, variable)) and (found := _find_form(cells)) and found is not named
    ]
    for (column, cell, named, found), (other, other_cell, other_named, other_found) in combinations(looks, 2):
        if column != other and named is other_found and found is other_named:
            return ExchangedHeadings(column, cell, other, other_cell)
    return None


def _read_named_form(column: str, variable: str) -> Form | None:
    """Return the form of the cells by the names of their column and their variable; None if these name none, or two."""
    words = {*split_words(column), *split_words(variable)}
    forms = {
        Form.PERCENT: bool(words & _PERCENT_NAMES),
        Form.MONEY: bool(words & _MONEY_NAMES),
        Form.DATE: names_dates(column) or names_dates(variable),
    }
    named = [form for form, is_named in forms.items() if is_named]
    return named[0] if len(named) == 1 else None


def _find_form(cells: Sequence[str]) -> Form | None:
    """Return the form of all cells, which are percentages, amounts with a currency, or dates; else None."""
    forms = {_DATE_FORMS.get(look.form, look.form) for cell in cells if (look := _look_at(cell)) is not None}
    return next(iter(forms)) if len(forms) == 1 and forms <= {Form.PERCENT, Form.MONEY, Form.DATE} else None


_DATE_FORMS: Mapping[Form, Form] = MappingProxyType({Form.DAY_FIRST: Form.DATE, Form.MONTH_FIRST: Form.DATE})

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

    `positions`: the columns. `amounts`: the columns of amounts. `percents`: of these, the columns of variables that
    have a percent sign behind them in the text. `currencies`: the columns of variables with a currency beside them.
    """

    def __init__(
        self,
        positions: Sequence[int],
        amounts: Collection[int] = (),
        percents: Collection[int] = (),
        currencies: Collection[int] = (),
    ) -> None:
        self._amounts, self._percents, self._currencies = amounts, percents, currencies
        # By column and look of a cell, the number of such cells, and the row and the text of the first.
        self._found: dict[int, dict[_Look, list[Any]]] = {position: {} for position in positions}
        self._kept: dict[tuple[int, _Kind], list[tuple[int, str]]] = {}
        # By column and text, where such a cell is counted and kept. Most texts of a list come again and again.
        self._known: dict[int, dict[str, tuple[list[Any], list[tuple[int, str]]]]] = {each: {} for each in positions}

    def add(self, row_number: int, cells: Sequence[str]) -> None:
        for position, known in self._known.items():
            cell = cells[position] if position < len(cells) else ""
            places = known.get(cell)
            if places is None:
                if (look := _look_at(cell)) is None:
                    continue
                counted = self._found[position].setdefault(look, [0, row_number, cell])
                places = counted, self._kept.setdefault((position, look.kind), [])
                if len(known) < _MOST_KEPT:
                    known[cell] = places
            counted, kept = places
            counted[0] += 1
            if len(kept) < _MOST_KEPT:
                kept.append((row_number, cell))

    def count_kinds(self, position: int) -> KindCounts:
        """Return the kinds of the cells of a column."""
        counts = self._count(position).items()
        return {kind.name: (count, self._kept[position, kind][0][0]) for kind, count in counts}

    def find(self) -> list[OddCell]:
        """Return the cells that cannot be meant, of all columns, in the order of the rows."""
        found = [
            OddCell(row_number, position, reason.format(shown=_show(cell)))
            for position in self._found
            for kind, reason in self._find_rejected(position).items()
            for row_number, cell in self._kept[position, kind]
        ]
        return sorted(found, key=lambda each: (each.row_number, each.position))

    def find_mixed(self) -> dict[int, list[FormCount]]:
        """Return, by column with cells of several forms, these forms, of the most frequent form first.

        The cells that `find` returns do not count.
        """
        mixed = {}
        for position, found in self._found.items():
            rejected = self._find_rejected(position)
            meant = {look: FormCount(look.form, *first) for look, first in found.items() if look.kind not in rejected}
            if forms := _find_mixed(meant, has_amounts=position in self._amounts):
                mixed[position] = [each._replace(shown=_show(each.shown)) for each in forms]
        return mixed

    def find_bare(self) -> dict[int, FormCount]:
        """Return, by column whose numbers all seem to lack their number format, the form of these numbers.

        A column of fractions, such as 0.2, may lack the format of percentages. A column of amounts has one decimal in
        some cells if it lacks the format of a currency.
        """
        bare = {}
        for position in self._found:
            if not self._count(position).keys() <= _BARE_NUMBERS:
                continue
            is_amount = position in self._amounts and position not in self._percents
            kept = [cell for kind in _BARE_NUMBERS for cell in self._kept.get((position, kind), [])]
            numbers = sorted((row_number, standardize(cell)) for row_number, cell in kept)
            if found := _find_bare(numbers, is_amount=is_amount):
                bare[position] = found
        return bare

    def _count(self, position: int) -> Counter[_Kind]:
        counts = Counter[_Kind]()
        for look, (count, *_first) in self._found[position].items():
            counts[look.kind] += count
        return counts

    def _find_rejected(self, position: int) -> dict[_Kind, str]:
        """Return the kinds whose rows are rejected, with the reason. More cells than are kept are no slips."""
        counts = self._count(position)
        odd = _find_odd(counts, has_amounts=position in self._amounts, has_currency=position in self._currencies)
        return {kind: reason for kind, reason in odd.items() if counts[kind] <= _MOST_KEPT}


_BARE_NUMBERS = frozenset({_Kind.DECIMAL, _Kind.WHOLE, _Kind.ZERO})


def _find_bare(numbers: Sequence[tuple[int, str]], *, is_amount: bool) -> FormCount | None:
    """Return the form of the numbers of a column that seem to lack their number format, else None."""
    fractions = [(row, text) for row, text in numbers if _FRACTION.fullmatch(text)]
    others = [text for _, text in numbers if not _FRACTION.fullmatch(text) and text not in {"0", "1"}]
    are_cents = is_amount and all(_CENTS.fullmatch(text) for _, text in fractions)
    if fractions and not others and not are_cents:
        return FormCount(Form.FRACTION, len(fractions), *fractions[0])
    short = [(row, text) for row, text in numbers if _ONE_DECIMAL.fullmatch(text)] if is_amount else []
    return FormCount(Form.ONE_DECIMAL, len(short), *short[0]) if short else None


def _find_mixed(found: Mapping[_Look, FormCount], *, has_amounts: bool) -> list[FormCount]:
    """Return the forms of the cells of a column, of the most frequent first; [] if it has one, codes or free texts."""
    counts = Counter[_Kind]()
    for look, first in found.items():
        counts[look.kind] += first.cell_count
    total, usual = counts.total(), _find_usual(counts)
    if counts[_Kind.MIXED] * 2 >= total:
        return []
    names = _name_forms(found, is_date_rare=has_amounts and usual is _Kind.WHOLE and _are_few(counts))
    forms: dict[Form, FormCount] = {}
    # A date that may begin with the day or the month is no example of either.
    for look in sorted(found, key=lambda each: (each.form is Form.DATE is not names[each], found[each].row_number)):
        first, form = found[look], names[look]
        count = forms[form].cell_count if form in forms else 0
        forms[form] = forms.get(form, first)._replace(form=form, cell_count=first.cell_count + count)
    if len(forms) == 1:
        return []
    is_bare = forms.keys() <= _BARE and not has_amounts
    if is_bare and (usual is None or counts.keys() <= _USUAL[usual]):
        return []
    return sorted(forms.values(), key=lambda each: (-each.cell_count, each.row_number))


def _name_forms(found: Mapping[_Look, FormCount], *, is_date_rare: bool) -> dict[_Look, Form]:
    """Return the form by which each look is told. `is_date_rare`: numbers that may be dates are told apart."""
    by_form = Counter[Form]()
    for look, first in found.items():
        by_form[look.form] += first.cell_count
    day, month = by_form[Form.DAY_FIRST], by_form[Form.MONTH_FIRST]
    any_date = Form.DATE if not (day and month) else Form.DAY_FIRST if day >= month else Form.MONTH_FIRST
    told = {Form.DATE: any_date} | (
        {} if day and month else dict.fromkeys((Form.DAY_FIRST, Form.MONTH_FIRST), any_date)
    )
    if not is_date_rare:
        told[Form.DATE_NUMBER] = Form.NUMBER
    far = _find_far_years(found)
    return {look: Form.FAR_DATE if look.year in far else told.get(look.form, look.form) for look in found}


def _find_far_years(found: Mapping[_Look, FormCount]) -> set[int]:
    """Return the years far from the most frequent year of a column, if nearly all years are near to it."""
    years = Counter[int]()
    for look, first in found.items():
        if look.year:
            years[look.year] += first.cell_count
    if years.total() < _LEAST_CELLS:
        return set()
    ((usual, _count),) = years.most_common(1)
    near = sum(count for year, count in years.items() if abs(year - usual) <= _NEAR_YEARS)
    if near < _NEARLY_ALL * years.total():
        return set()
    return {year for year in years if abs(year - usual) > _FAR_YEARS}


def _are_few(counts: Counter[_Kind]) -> bool:
    """Tell whether few cells of a column are numbers that may be dates."""
    return counts[_Kind.DATE_NUMBER] <= (1 - _NEARLY_ALL) * counts.total()


def _find_odd(counts: Counter[_Kind], *, has_amounts: bool, has_currency: bool) -> dict[_Kind, str]:
    """Return the kinds of a column whose rows are rejected, with the reason."""
    usual = _find_usual(counts)
    if has_currency and usual in _TIMES:  # "R$ 05/12/2026" is wrong in each row, also if all rows have dates
        return dict.fromkeys(counts.keys() & _TIMES, _NO_AMOUNT)
    if usual is None:
        # Whole numbers alone may all be amounts, such as 45000 and 120000, and so may many numbers that may be dates.
        is_date_rare = _are_few(counts) or counts[_Kind.DATE_NUMBER] == 1
        takes_numbers = counts.keys() <= _WHOLE or not is_date_rare
        kinds = _NO_AMOUNTS.keys() - ({_Kind.DATE_NUMBER} if takes_numbers else set())
        return {kind: _NO_AMOUNTS[kind] for kind in counts.keys() & kinds} if has_amounts else {}
    text = f"is {{shown}}, but nearly all other cells of the column are {_NAMES.get(usual)}: correct it"
    return {
        kind: text
        for kind in counts.keys() - _USUAL[usual]
        if not {usual, kind} & _TEXTS and not {usual, kind} <= _NUMBERS
    }


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


def _look_at(cell: str) -> _Look | None:
    """Return what a cell looks like; None if the cell is blank."""
    if _HAS_DIGIT.search(cell) is None:  # nearly every name
        return None if is_blank(cell) else _PLAIN_TEXT
    if "/" in cell or "-" in cell or (len(cell) < _SHORT and len(_HAS_DIGIT.findall(cell)) == _DATE_DIGITS):
        return _read_look(cell)
    look = _read_look(cell.translate(_SAME_DIGITS))
    return look if look.kind is not _Kind.DATE else _Look(look.kind, Form.DATE)  # its digits are not its own


@lru_cache(20_000)
def _read_look(cell: str) -> _Look:
    """Return what a cell with digits looks like."""
    text = standardize(cell)
    kind = _read_kind(text)
    if kind is _Kind.DATE:
        year = _YEAR.search(text)
        return _Look(kind, _read_date_form(text), int(year[0]) if year else 0)
    if kind in _NUMBERS - {_Kind.ZERO} and ("-" in text or text.startswith("(")):
        return _Look(kind, Form.NEGATIVE)
    return _Look(kind, Form.PERCENT if kind is _Kind.AMOUNT and "%" in text else _FORM_OF[kind])


def _read_date_form(text: str) -> Form:
    found = _DAY_AND_MONTH.match(text)
    if found and int(found[1]) > _MONTHS_PER_YEAR:
        return Form.DAY_FIRST
    return Form.MONTH_FIRST if found and int(found[2]) > _MONTHS_PER_YEAR else Form.DATE


_MONTHS_PER_YEAR = 12


def _read_kind(text: str) -> _Kind:
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
