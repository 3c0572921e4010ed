"""Finds the column of a list that has its phones, and numbers in the column of the phones that are no phones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import NamedTuple

from campaigns.domain.phone.documents import is_document, names_documents
from campaigns.domain.phone.foreign import (
    PhonesAbroad,
    find_other_regions,
    find_phones_abroad,
    lacks_country_code,
    may_be_mobile,
)
from campaigns.domain.phone.number import PhoneKind, PhoneReader
from campaigns.domain.phone.written import PhoneError, PhoneProblem
from campaigns.domain.recipients import Cell, Columns, Recipient, RowProblem, names_countries, phone_text
from campaigns.domain.text.normal import fold, is_blank
from campaigns.sheets.rows import Row

# The most rows in which the search reads the cells of all columns, and the first rows in which it counts documents.
_SAMPLE, _READ = 100, 5_000
_LEAST_DOCUMENTS, _CHANCE = 3, 0.05
_INVALID_HERE = frozenset({PhoneProblem.INVALID, PhoneProblem.NO_AREA_CODE})
# The problems of a cell that holds something other than a phone.
_NOT_PHONES = frozenset({PhoneProblem.CHARACTERS, PhoneProblem.EMPTY, PhoneProblem.INVALID, PhoneProblem.WORDS})


class _Look(NamedTuple):
    """How a cell of the column of the phones looks."""

    is_number: bool
    has_plus: bool
    digit_count: int


class PhoneSearch:
    """Looks for phones in the other columns while most rows of a file have no mobile phone in the chosen column.

    It also finds whether the chosen column has numbers of documents, and whether its phones are those of another
    country.

    `elsewhere_count`: the rows whose phone lacks a country code and is not valid in the region.
    """

    def __init__(self, columns: Columns, read_phone: PhoneReader, classify: Callable[[str], PhoneKind | None]) -> None:
        self._columns, self._read_phone, self._classify = columns, read_phone, classify
        self._row_count = self._failed_count = self._sample_count = self._read_count = 0
        self.elsewhere_count = 0
        self._elsewhere: list[tuple[int, str]] = []
        self._looks = Counter[_Look]()
        self._documents: list[tuple[int, _Look]] = []
        self._found = Counter[int]()
        self._document_columns = [
            position
            for position, name in enumerate(columns.names)
            if position != columns.phone and names_documents(name)
        ]
        self._blank = Counter[int]()
        self._country = next((each for each, name in enumerate(columns.names) if names_countries(name)), None)
        self._countries = Counter[str]()

    def add(self, row_number: int, cells: Row, row: Recipient | RowProblem, *, is_landline: bool) -> None:
        self._row_count += 1
        if isinstance(row, Recipient) and not isinstance(cells, RowProblem):
            self._blank.update(position for position, cell in enumerate(cells) if not cell.strip())
        if self._country is not None and not isinstance(cells, RowProblem):
            self._count_country(_get(cells, self._country), _get(cells, self._columns.phone), row)
        is_exchanged = isinstance(row, RowProblem) and row.code == PhoneProblem.DOCUMENT
        if self._read_count < _READ and not isinstance(cells, RowProblem) and not is_exchanged:
            self._read_count += 1
            self._look_for_document(row_number, _get(cells, self._columns.phone))
        if isinstance(row, RowProblem) and row.code in _INVALID_HERE and not isinstance(cells, RowProblem):
            self._keep_elsewhere(row_number, cells[self._columns.phone])
        has_failed = isinstance(row, RowProblem) and row.code in _NOT_PHONES
        if isinstance(cells, RowProblem) or not (has_failed or is_landline):
            return
        self._failed_count += 1
        if self._sample_count < _SAMPLE:
            self._sample_count += 1
            named = zip(self._columns.names, cells, strict=False)
            self._found.update(
                position
                for position, (name, cell) in enumerate(named)
                if name and self._is_better(cell, is_landline=is_landline)
            )

    def refuse_exchanged(
        self, cells: Sequence[str], row: Recipient | RowProblem | None
    ) -> Recipient | RowProblem | None:
        """Return the problem of a row whose phone stands in a column of documents, and the document in its place."""
        if row is None or not self._document_columns or not is_document(_read_digits(_get(cells, self._columns.phone))):
            return row
        for position in self._document_columns:
            cell = _get(cells, position)
            if not is_document(_read_digits(cell)) and self._is_better(cell, is_landline=False):
                name = self._columns.names[position]
                reason = f"has the number of a CPF or a CNPJ, and {name} has a phone: exchange the two cells"
                return RowProblem(self._columns.names[self._columns.phone], reason, PhoneProblem.DOCUMENT)
        return row

    def find(self) -> str | None:
        """Return the name of the other column that has phones, or None if the chosen column is good or none is."""
        if self._failed_count * 2 <= self._row_count or not self._found:
            return None
        position, count = self._found.most_common(1)[0]
        return self._columns.names[position] if count * 2 > self._sample_count else None

    def count_only_here(self, likely: str | None) -> int:
        """Return the number of accepted rows that have no text in the column `likely`."""
        return 0 if likely is None else self._blank[self._columns.names.index(likely)]

    def find_countries(self) -> tuple[str, list[tuple[str, int]]]:
        """Return the column of countries, and its texts beside phones without a country code, with their numbers.

        ("", []) if there is no such column, or if it has one country only.
        """
        if self._country is None or len({fold(text) for text in self._countries}) < 2:  # noqa: PLR2004  two countries
            return "", []
        return self._columns.names[self._country], self._countries.most_common()

    def _count_country(self, country: str, cell: str, row: Recipient | RowProblem) -> None:
        if is_blank(country) or (isinstance(row, RowProblem) and row.code not in _INVALID_HERE):
            return
        with suppress(PhoneError):
            text = phone_text(cell)
            lacks_code = (
                lacks_country_code(text, row.phone)
                if isinstance(row, Recipient)
                else not text.lstrip().startswith(("+", "00"))
            )
            if lacks_code:
                self._countries[" ".join(country.split())] += 1

    def find_documents(self) -> list[int]:
        """Return the first rows whose cell in the chosen column has the number of a CPF or a CNPJ; [] if by chance.

        One of a hundred mobile phones also is the number of a CPF by its check digits. So either many cells have such
        numbers, or at least half of the cells that look different from most others have them.
        """
        count = len(self._documents)
        if count >= _LEAST_DOCUMENTS and count >= _CHANCE * self._read_count:
            return [row_number for row_number, _look in self._documents]
        by_look = Counter(look for _row_number, look in self._documents)
        odd = {
            look
            for look, found in by_look.items()
            if self._looks[look] * 2 <= self._read_count and found * 2 >= self._looks[look]
        }
        return [row_number for row_number, look in self._documents if look in odd]

    def find_other_regions(self, region: str, language: str, abroad: Iterable[str]) -> list[str]:
        """Return the countries in which nearly all phones would be valid, if most are not valid in the region."""
        if self.elsewhere_count * 2 <= self._row_count:
            return []
        return find_other_regions(self._list_sample(), region, language, abroad)

    def find_phones_abroad(self, region: str, language: str, abroad: Iterable[str]) -> list[PhonesAbroad]:
        """Return the phones that lack the code of their country, if most phones of the list are valid in the region."""
        if self.elsewhere_count * 2 > self._row_count:
            return []
        return find_phones_abroad(self._elsewhere, region, language, abroad)

    def count_fitting(self, region: str) -> int:
        """Return the number of phones that are not valid in the region of the list, and may be those of another one."""
        sample = self._list_sample()
        fitting = sum(may_be_mobile(text, region) for text in sample) if region else 0
        return self.elsewhere_count if fitting == len(sample) else fitting

    def _list_sample(self) -> list[str]:
        return [text for _row_number, text in self._elsewhere[:_SAMPLE]]

    def _look_for_document(self, row_number: int, cell: str) -> None:
        number = _read_digits(cell)
        look = _Look(isinstance(cell, Cell), "+" in number, sum(map(str.isdigit, number)))
        self._looks[look] += 1
        if is_document(number):
            self._documents.append((row_number, look))

    def _keep_elsewhere(self, row_number: int, cell: str) -> None:
        with suppress(PhoneError):
            text = phone_text(cell)
            if not text.lstrip().startswith(("+", "00")):
                self.elsewhere_count += 1
                if len(self._elsewhere) < _READ:
                    self._elsewhere.append((row_number, text))

    def _is_better(self, cell: str, *, is_landline: bool) -> bool:
        """Tell whether a cell has a phone. In place of a landline, only another kind of phone is better."""
        try:
            phone = self._read_phone(phone_text(cell))
        except PhoneError:
            return False
        return not is_landline or self._classify(phone) is not PhoneKind.LANDLINE


def _read_digits(cell: str) -> str:
    """Return all digits of a cell, also those that a workbook does not show."""
    return getattr(cell, "digits", "") or cell


def _get(cells: Sequence[str], position: int) -> str:
    """Return a cell; "" if the row is shorter."""
    return cells[position] if position < len(cells) else ""
