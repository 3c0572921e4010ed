"""Reads each row of a recipients file as a recipient or as a problem. The text of a problem contains no phone."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache
from itertools import combinations
from typing import Any, NamedTuple, Self

from campaigns.domain.filling import Misfit, RowReader
from campaigns.domain.phone.number import PhoneReader
from campaigns.domain.phone.written import MOST_CHARACTERS, PhoneError, PhoneProblem, drop_decimals, unwrap
from campaigns.domain.statement import Count, Entry, Field, Refusal, Sentence, Word, list_sentences
from campaigns.domain.template import EXPORT_AGAIN, MISREAD, variable_problem
from campaigns.domain.text.date_numbers import find_date_numbers, names_dates, read_date_number, tells_date
from campaigns.domain.text.dates import find_impossible_date, has_time_of_program, is_no_date
from campaigns.domain.text.encoding import find_replaced_letter, find_wrong_encoding, has_replaced_currency, is_misread
from campaigns.domain.text.kinds import has_currency, names_amounts
from campaigns.domain.text.missing import find_error, is_filler, is_formula, is_logical, is_null, is_placeholder
from campaigns.domain.text.normal import fold, is_blank, is_copied_example, split_words, standardize, trim

# The usual names of the columns for phones and for consent. These names are tried if a person names no column.
PHONE_NAMES = ("phone", "telefone", "celular", "whatsapp")
CONSENT_NAMES = ("consent", "consentimento", "origem")
# A column is proposed as the column of the phones if its name has one of these words.
_PHONE_WORDS = frozenset({
    *PHONE_NAMES, "fone", "tel", "cel", "cell", "cellphone", "handy", "mobil", "mobile", "movil", "telefono",
    "telemovel", "telephone", "numero", "number", "whats", "wpp", "zap",
})  # fmt: skip
# Words in the names of such columns that do not change what the columns have: `número de contato`, `mobile no.`.
_PHONE_FILLERS = frozenset({"contact", "contato", "contacto", "da", "de", "del", "do", "n", "no", "nr", "o"})
_CONTACT_WORDS = frozenset({"contact", "contato", "contacto"})

_NUMBER_WORDS = frozenset({"numero", "number"})  # words of phones and of other numbers
# Words in the names of columns with numbers that are not phones.
_OTHER_NUMBERS = frozenset({
    "agencia", "account", "cep", "cnh", "cnpj", "code", "codigo", "conta", "contrato", "contract", "cpf", "data",
    "date", "doc", "document", "documento", "dni", "id", "identidade", "inscricao", "invoice", "matricula",
    "nascimento", "nf", "nis", "nota", "order", "passaporte", "passport", "pedido", "pis", "preco", "price",
    "protocol", "protocolo", "record", "registration", "registro", "rg", "sku", "ssn", "valor", "value", "zip",
})  # fmt: skip

_SEVERAL_NAMES = re.compile(r"[^\W\d_] *[,;|:^~] *[^\W\d_]|[^\W\d_] {3,}[^\W\d_]")  # as in phone;name
# Names of columns with the names of people, after `fold`.
_PERSON_NAMES = frozenset({
    "first name", "full name", "name", "nombre", "nome", "nome completo", "nome do cliente", "primeiro nome",
})  # fmt: skip
# A number, a phone, an amount or a percentage in place of a name.
_NO_NAME = re.compile(
    r"[-+(]*(?:[A-Z]{0,2}[$€£¥]|BRL|EUR|GBP|USD)?\s*[(+-]*[0-9][0-9.,'() +-]*\s*(?:[%$€£¥]|BRL|EUR|GBP|USD)?\)?"
)
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_DELIMITERS = frozenset(",;|")  # a name with a delimiter stands for several columns, which were not separated
_PHONE_DIGITS = range(9, 14)
_PHONE_FORM = re.compile(r"\+?[0-9 ().-]+")
_SHOWN_NAMES = 10
_SHOWN_LENGTH = 60
_SHOWN_WORDS = 20
_LONG_NUMBER = re.compile(r"\+?([ ().-]*[0-9]){10,}[ ().-]*")
_EXPONENT = re.compile(r"[0-9]E[+-][0-9]")
_DECIMAL_PART = re.compile(r"(?<=[0-9]{3})[.,]0+(?![0-9.,])")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class RecipientsError(Refusal):
    """The file as a whole cannot be read. The text is the part of a sentence that follows the name of the file.

    `sheet`: the name of the sheet that was read, "" if none was read.
    """

    sheet: str = ""

    def in_file(self, path: object) -> Refusal:
        """Return this refusal as a sentence that begins with the names of the file and the sheet."""
        text = "{path}, sheet {sheet}: {problem}." if self.sheet else "{path}: {problem}."
        return Refusal(self.code, text, kind=self.kind, path=str(path), sheet=self.sheet, problem=self)


class Recipient(NamedTuple):
    """One recipient.

    This is a tuple, because a file may have millions of recipients, and a tuple costs half as much as a frozen
    dataclass. `consent`: the text in the file about the person's agreement to get messages; None if the row has no such
    text.
    """

    phone: str
    variables: list[str]
    consent: str | None = None


@dataclass(frozen=True, slots=True)
class RowProblem:
    """The problem of a row: `column` is a name in the header, and `reason` is worded to follow that name.

    `code`: the kind of the problem, a `RowCode` or a `PhoneProblem`. The reason implies the code, so the code is not
    compared.
    """

    column: str
    reason: str
    code: str = field(default="row_invalid", compare=False)


class RowCode(StrEnum):
    """The reason why a row does not become a message. If the phone is the reason, the row has a `PhoneProblem`."""

    INVALID = "row_invalid"
    VALUE_EMPTY = "value_empty"
    VALUE_MISSING = "value_missing"  # an error or a formula of the spreadsheet, or NULL, nan, TRUE, - …
    DATE_NUMBER = "date_number"  # 46357 in place of a date
    DATE_WRONG = "date_wrong"  # 30/02/2026, or 2026-12-01 00:00:00 in place of 2026-12-01
    KIND = "value_of_another_kind"  # a date among amounts
    ENCODING = "wrong_encoding"  # JoÃ£o or Jo?o in place of João
    MISREAD = "wrong_code_page"  # JoÆo in place of João
    REFUSED = "consent_refused"  # a column says that the person wants no messages
    UNANSWERED = "consent_unanswered"  # a column of answers does not say whether the person wants messages
    MARKED = "row_marked"  # the row has another colour than most rows
    DUPLICATE = "duplicate_in_file"
    IN_CAMPAIGN = "duplicate_in_campaign"


# The codes of rows whose person gets the message by another row. Such rows are counted as duplicates, not as rejected
# rows.
DUPLICATES = frozenset({RowCode.DUPLICATE, RowCode.IN_CAMPAIGN})


class Cell(str):
    """A cell whose content in the workbook is not a text. The string is the text that Excel shows, if it is known.

    `digits`: the digits of a whole number in the cell, else "". A phone is read from these digits, unless the number
    format adds digits. `problem`: the reason why the cell cannot be used as a text, worded to follow the name of a
    column; "" if the cell can be used.
    """

    __slots__ = ("digits", "problem")

    digits: str
    problem: str

    def __new__(cls, shown: str, *, digits: str = "", problem: str = "") -> Self:
        cell = super().__new__(cls, shown)
        cell.digits = digits
        cell.problem = problem
        return cell


@dataclass(frozen=True, slots=True)
class ReadColumns:
    """The columns of a file that was read: their names, and positions. `variables`: by variable, its column."""

    names: tuple[str, ...]
    phone: int
    consent: int | None
    variables: Mapping[str, int]

    def find(self, variable: str) -> str:
        """Return the name of the column that fills a variable."""
        return self.names[self.variables[variable]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The columns that a person has named. All other columns are guessed. `mapping`: by variable, its column.

    `unrelated`: the columns whose words, such as "cancelled", are about something else than messages.
    `may_set_values`: the person can also give one value of a variable for all recipients. `may_go_by_order`: the order
    of the columns may decide. It may not in a campaign that has people of another file, whose columns may have had
    another order. `earlier`: the columns of the campaign's other files. A file with the same header is read in the same
    way.
    """

    phone: str | None = None
    consent: str | None = None
    mapping: Mapping[str, str] = field(default_factory=dict)
    unrelated: Sequence[str] = ()
    may_set_values: bool = True
    may_go_by_order: bool = True
    earlier: Sequence[ReadColumns] = ()

    def refuse_fixed(self, fixed: Mapping[str, str]) -> None:
        """Raise RecipientsError if `mapping` has a variable of `fixed`, the values that are the same for all people."""
        by_key = {_key(variable): variable for variable in fixed}
        for given in self.mapping:
            if (variable := by_key.get(_key(given))) is not None:
                raise RecipientsError(
                    "variable_fixed",
                    "the variable {variable!r} has the value {value!r} for all recipients already, so no column can"
                    " fill it: leave out {column} or {fixed}",
                    variable=variable,
                    value=fixed[variable],
                    column=Entry(Field.COLUMN, f"{given}={self.mapping[given]}"),
                    fixed=Entry(Field.VALUE, variable),
                )


@dataclass(frozen=True, slots=True)
class Columns:
    """Column positions in a recipients file. `variables` has the order in which a send takes the variables.

    `is_known`: an earlier file with the same header decided about columns that the names do not tell. `nameless`: the
    columns without a name, which must be empty. `by_position`: the positions of the columns that fill a variable only
    because of their order in the file. `unrelated`: the positions of the columns of `Choice.unrelated`. `dates`: by
    position of a column with dates, the numbers that would be dates in it.
    """

    names: tuple[str, ...]
    phone: int
    variables: tuple[int, ...]
    consent: int | None = None
    nameless: tuple[int, ...] = ()
    by_position: frozenset[int] = field(default=frozenset(), compare=False)
    unrelated: frozenset[int] = field(default=frozenset(), compare=False)
    is_known: bool = field(default=False, compare=False)
    dates: Mapping[int, range] = field(default_factory=dict, compare=False)

    @property
    def ignored(self) -> list[str]:
        """The names of the columns that are not used."""
        used = {self.phone, self.consent, *self.variables}
        return [name for position, name in enumerate(self.names) if name and position not in used]

    def find_dates(self, rows: Sequence[Sequence[str]], excerpts: Mapping[int, str] | None = None) -> Self:
        """Return these columns with the columns of dates.

        Their names, the first rows of the file, and the text around the variables tell them. `excerpts`: this text by
        position of a column.
        """
        texts = excerpts or {}
        dates = {
            position: numbers
            for position in self.variables
            if (
                numbers := find_date_numbers(
                    self.names[position], _read_column(rows, position), excerpt=texts.get(position, "")
                )
            )
        }
        return replace(self, dates=dates)


class _TopRow(NamedTuple):
    """A row near the top of a file. `texts`: its texts; None if the row cannot be read."""

    position: int
    number: int
    texts: list[str] | None


def find_header(rows: Sequence[tuple[int, Sequence[str] | RowProblem]], phone: str | None = None) -> int:
    """Return the position of the header among the first rows of a file. `phone`: the chosen column of the phones.

    The header is the first row that names a column of phones, if one does, else the first row that is not blank. The
    rows above it are its title, whatever dates and numbers they have. Raises RecipientsError if one of them may be a
    recipient or a header: it has a phone, or as many texts as the header.
    """
    filled = [
        _TopRow(position, number, None if isinstance(row, RowProblem) else _list_texts(row))
        for position, (number, row) in enumerate(rows)
        if isinstance(row, RowProblem) or _has_text(row)
    ]
    if not filled:
        return 0
    names = {_key(phone)} if phone else {*PHONE_NAMES}
    found = _find_named(filled, lambda text: _key(text) in names)
    if found is None and len(filled[0].texts or ()) == 1:
        found = _find_named(filled, _has_phone_word)
    if not found:
        return filled[0].position
    header = filled[found]
    texts = header.texts or []
    if all(_is_title(row, len(texts)) for row in filled[:found]):
        return header.position
    raise RecipientsError(
        "header_not_first",
        "row {row} names the columns ({columns}), but other rows stand above it: delete the rows above row {row}",
        row=header.number,
        columns=list_names(texts),
    )


def _read_column(rows: Sequence[Sequence[str]], position: int) -> list[str]:
    return [row[position] for row in rows if position < len(row)]


def _list_texts(row: Sequence[str]) -> list[str]:
    return [trim(cell) for cell in row if not is_blank(cell)]


def _find_named(filled: Sequence[_TopRow], names_phones: Callable[[str], bool]) -> int | None:
    """Return the index of the first row that names a column of phones.

    A row with a phone is no header. A row of one cell is a header only if it is the first row, or if only rows of one
    cell stand above it and a phone stands in the next row.
    """
    for index, row in enumerate(filled):
        texts = row.texts or []
        if not any(map(names_phones, texts)) or any(map(_has_phone, texts)):
            continue
        if len(texts) > 1 or index == 0:
            return index
        below = filled[index + 1].texts or [] if index + 1 < len(filled) else []
        if any(map(_has_phone, below)) and all(len(each.texts or ()) == 1 for each in filled[:index]):
            return index
    return None


def _is_title(row: _TopRow, width: int) -> bool:
    """Tell whether a row above a header of this number of texts is neither a recipient nor a header."""
    if row.texts is None:
        return False
    if len(row.texts) == 1:  # a title may contain the phone of the company behind a word, such as Contact: 11 3456-7890
        return not _is_phone(row.texts[0])
    return len(row.texts) < width and not any(map(_has_phone, row.texts))


def _is_phone(text: str) -> bool:
    """Tell whether a text has the form of a phone. Dates have fewer digits than phones, and a CNPJ has more."""
    plain = standardize(text)
    return _PHONE_FORM.fullmatch(plain) is not None and sum(map(str.isdigit, plain)) in _PHONE_DIGITS


def _has_phone(text: str) -> bool:
    """Tell whether a text has the form of a phone, or is a link, an id of a chat or a formula with a phone."""
    plain = standardize(text)
    if len(plain) > MOST_CHARACTERS:
        return False
    number = drop_decimals(unwrap(plain).text)
    return _is_phone(number) or _is_phone(number.removeprefix("00"))


def _has_phone_word(name: str) -> bool:
    """Tell whether the name of one column has a word for phones. A name with a delimiter stands for several columns."""
    return bool(_PHONE_WORDS & set(fold(name).split())) and not set(name) & _DELIMITERS


def read_header(
    cells: Sequence[str],
    variables: Sequence[str],
    choice: Choice | None = None,
    *,
    excerpts: Mapping[str, str] | None = None,
    delimiter: str = "",
    below: Sequence[Sequence[str]] = (),
) -> Columns:
    """Find the columns of the phone, of the template's `variables` and of the consent. Raises RecipientsError.

    A variable is read from the column that is mapped to this variable, or else from the column with its name. Case,
    accents, spaces and punctuation make no difference. The other columns fill the other variables in their order if
    three conditions hold. Nobody mapped a column. There are as many other columns as other variables. Either no
    variable has a column of its name, or each other variable has a number instead of a name.

    `excerpts`: by variable, the text of the template around the variable. If that text contradicts the order of the
    columns, the file is refused. `delimiter`: the delimiter of a CSV file, "" for a workbook; a refusal names it.
    `below`: the first rows below the header. A column such as `Mobile` has the phones only if these rows show it.
    """
    choice = choice or Choice()
    names = read_names(cells, delimiter=delimiter)
    earlier = _find_earlier(names, variables, choice)
    phone = earlier.phone if earlier and choice.phone is None else _find_phone(names, choice, variables, below)
    consent = earlier.consent if earlier else _guess(names, CONSENT_NAMES)
    if choice.consent:
        consent = _find_column(names, choice.consent)
    search = _Search(names, variables, choice, excerpts or {}, {phone, consent})
    positions, by_position = search.find(earlier.variables if earlier else {})
    nameless = tuple(position for position, name in enumerate(names) if not name)
    unrelated = frozenset(_find_column(names, name) for name in choice.unrelated)
    is_known = earlier is not None and _has_decided(earlier, choice)
    return Columns(tuple(names), phone, positions, consent, nameless, by_position, unrelated, is_known)


def _find_earlier(names: Sequence[str], variables: Sequence[str], choice: Choice) -> ReadColumns | None:
    """Return the columns of an earlier file with the same header for the same variables."""
    return next(
        (each for each in choice.earlier if each.names == tuple(names) and each.variables.keys() == {*variables}), None
    )


def _has_decided(earlier: ReadColumns, choice: Choice) -> bool:
    """Tell whether an earlier file decided about a column, because neither its name nor the choice did."""
    mapped = set(map(_key, choice.mapping))
    return (choice.phone is None and not names_phone(earlier.names[earlier.phone])) or any(
        _key(variable) not in {*mapped, _key(earlier.names[position])}
        for variable, position in earlier.variables.items()
    )


def read_names(cells: Sequence[str], *, delimiter: str = "") -> list[str]:
    """Return the names of the columns, "" for a column without a name. Raises RecipientsError. See `read_header`."""
    names = [standardize(_CONTROL.sub(" ", cell)) for cell in cells]
    while names and not names[-1]:
        names.pop()
    if not names:
        raise RecipientsError("header_empty", "the first row is empty, it must name the columns")
    if any(
        _LONG_NUMBER.fullmatch(name) or _has_phone(name) for name in names
    ):  # the name is a phone, so the refusal does not repeat it
        raise RecipientsError(
            "header_has_number", "the first row has somebody's number in it, it must name the columns"
        )
    if len(names) == 1 and not names_phone(names[0]) and _SEVERAL_NAMES.search(names[0]):
        raise _one_column(names[0], delimiter)
    return names


def _one_column(name: str, delimiter: str) -> RecipientsError:
    if not delimiter:
        text = (
            "the first row has all names of columns in one cell ({columns}): give each column its own cell (in Excel:"
            " Data, Text to Columns)"
        )
        return RecipientsError("columns_not_separated", text, columns=list_names([name]))
    return RecipientsError(
        "columns_not_separated",
        "the file seems to have one column ({columns}), because it was split at {delimiter}: separate its columns by"
        " a comma, a semicolon, a tab or |, or save the list as XLSX; correct a first line such as sep=; if there is"
        " one",
        columns=list_names([name]),
        delimiter=Word("tab") if delimiter == "\t" else delimiter,
    )


def is_another_column(earlier: str, chosen: str, names: Sequence[str]) -> bool:
    """Tell whether a file fills a variable from another column than an earlier file did.

    `earlier` and `chosen`: the columns of the earlier file and of this file. `names`: all columns of this file. Columns
    of different names may mean the same, such as Nome and Cliente, if this file has no column of the earlier name.
    """
    if _key(earlier) == _key(chosen):
        return False
    return _key(earlier) in map(_key, names) or not _subject(earlier) & _subject(chosen)


def fits_text(column: str, excerpt: str) -> bool:
    """Tell whether an excerpt of the template has the name of a column beside its variable, as in `cupom {{1}}`."""
    return _stands_in(column, _words_near(excerpt))


def read_row(
    columns: Columns,
    cells: Sequence[str],
    read_values: RowReader,
    read_phone: PhoneReader,
    *,
    takes_nulls: bool = False,
) -> Recipient | RowProblem | None:
    """Return the recipient in a row, the problem of the row, or None for an empty row.

    `takes_nulls`: cells such as NULL, nan, -, {{nome}} and =A1 are values.
    """
    if stray := _find_stray_cell(columns, cells):
        return stray
    if len(cells) < len(columns.names):
        cells = [*cells, *[""] * (len(columns.names) - len(cells))]
    try:
        phone = read_phone(phone_text(cells[columns.phone]))
    except PhoneError as error:
        return RowProblem(columns.names[columns.phone], str(error), error.problem) if _has_text(cells) else None
    return _check_cells(columns, cells, takes_nulls=takes_nulls) or _read_recipient(columns, cells, phone, read_values)


def _read_recipient(
    columns: Columns, cells: Sequence[str], phone: str, read_values: RowReader
) -> Recipient | RowProblem:
    values = read_values([cells[position] for position in columns.variables])
    if isinstance(values, Misfit):
        position = columns.variables[values.position]
        code = RowCode.VALUE_EMPTY if is_blank(cells[position]) else RowCode.INVALID
        return RowProblem(columns.names[position], values.reason, code)
    if columns.consent is None or not (consent := trim(cells[columns.consent])):
        return Recipient(phone, values)
    if trouble := variable_problem(consent):
        return RowProblem(columns.names[columns.consent], trouble)
    return Recipient(phone, values, consent)


def phone_text(cell: str) -> str:
    """Return the text from which a phone is read. Raises PhoneError.

    For a cell with a number this is its digits. If the number format shows a + or more digits in front, as the format
    "+54 9 "0 does, it is the shown text.
    """
    if not isinstance(cell, Cell):
        return cell
    if not cell.digits:
        raise PhoneError(PhoneProblem.INVALID, cell.problem or "is not a phone number")
    if not cell.digits.isdecimal():
        raise PhoneError(PhoneProblem.INVALID, "is a negative number")
    return str(cell) if _shows_other_number(cell) else cell.digits


# A number with a separator, a date, or a word, such as 12,5%, 1.500, 05/06/2030 and 5 Jun.
_IN_LANGUAGE = re.compile(r"[0-9][.,/' \u00a0\u2019\u202f-][0-9]|[0-9][^0-9]*[^\W\d_]{3}|[^\W\d_]{3}[^0-9]*[0-9]")


def shows_language(cell: str) -> bool:
    """Tell whether a cell of a workbook has a number or a date that is written otherwise in another language."""
    return isinstance(cell, Cell) and _IN_LANGUAGE.search(cell) is not None


def _shows_other_number(cell: Cell) -> bool:
    if cell.problem or _EXPONENT.search(cell):
        return False
    shown = re.sub("[^0-9]", "", _DECIMAL_PART.sub("", cell))
    return "+" in cell or (cell.digits in shown and shown.lstrip("0") != cell.digits)


def names_phone(cell: str) -> bool:
    """Tell whether a cell is a usual name of the column of the phones."""
    return _key(cell) in PHONE_NAMES


def means_phone(name: str) -> bool:
    """Tell whether the name of a column means phones and nothing else, such as Mobile number or Telemóvel."""
    words = set(fold(name).split())
    is_told = words & (_PHONE_WORDS - _NUMBER_WORDS) or (words & _CONTACT_WORDS and words & _NUMBER_WORDS)
    return bool(is_told) and words <= _PHONE_WORDS | _PHONE_FILLERS


def is_name_of_other_number(name: str) -> bool:
    """Tell whether the name of a column says that it has other numbers than phones, such as CPF or Nº do pedido."""
    words = set(fold(name).split())
    return bool(_OTHER_NUMBERS & words) and not (_PHONE_WORDS - _NUMBER_WORDS) & words


_COUNTRY_WORDS = frozenset({"country", "land", "nacion", "pais", "pays"})
_BESIDE_COUNTRY = frozenset(
    {"cliente", "code", "codigo", "contact", "customer", "da", "de", "do", "iso", "name", "nome", "of"}
)


def names_countries(name: str) -> bool:
    """Tell whether a column has the countries of the people, by its name."""
    words = {*split_words(name)}
    return bool(words & _COUNTRY_WORDS) and words <= _COUNTRY_WORDS | _BESIDE_COUNTRY


def list_names(names: Sequence[str]) -> Sentence:
    """Return a list of names for a sentence: the first ten names, and the first 60 characters of each name."""
    shown = [name if len(name) <= _SHOWN_LENGTH else f"{name[:_SHOWN_LENGTH]}…" for name in names[:_SHOWN_NAMES]]
    more = len(names) - len(shown)
    listed = [name or Word("(no name)") for name in shown]
    if not more:
        return Sentence("{names}", names=listed)
    return Sentence("{names} and {count:,} more", names=listed, count=more)


def list_words(words: Mapping[str, Sequence[Any]]) -> Sentence | None:
    """Return a list of words with the number of their rows and the first rows, as `Refusals.words` has them.

    The empty cells are not listed. None: there is no word.
    """
    told = [(word, count, rows) for word, (count, rows) in words.items() if word]
    if not told:
        return None
    listed = [
        Sentence(
            "{word} ({rows}: {places})" if count > 1 else "{word} ({places})",
            word=word if len(word) <= _SHOWN_LENGTH else f"{word[:_SHOWN_LENGTH]}…",
            rows=Count(count, "row"),
            places=list_rows(rows, count),
        )
        for word, count, rows in told[:_SHOWN_WORDS]
    ]
    if (more := len(told) - len(listed)) > 0:
        return Sentence("{words} and {count:,} more", words=list_sentences(listed), count=more)
    return list_sentences(listed)


def list_rows(rows: Sequence[int], count: int) -> Sentence:
    """Return the first of `count` rows by their numbers."""
    listed = list_sentences([Sentence("row {row:,}", row=row) for row in rows])
    return Sentence("{listed}, …", listed=listed) if count > len(rows) else listed


def _key(name: str) -> str:
    """Return the form of a name in which case, accents, spaces and punctuation make no difference."""
    return fold(name).replace(" ", "") or name


def _find_phone(names: Sequence[str], choice: Choice, variables: Sequence[str], below: Sequence[Sequence[str]]) -> int:
    if choice.phone is not None:
        return _find_column(names, choice.phone)
    others = {_key(each) for each in (*variables, *choice.mapping.values())}  # columns that fill a variable
    found = [
        position
        for position, name in enumerate(names)
        if names_phone(name)
        or (means_phone(name) and _key(name) not in others and _has_phones(_read_column(below, position)))
    ]
    if not found:
        likely = [name for name in names if _has_phone_word(name)]
        certain = [name for name in likely if not _NUMBER_WORDS & {*fold(name).split()}]
        likely = certain or likely
        raise RecipientsError(
            "phone_column_missing",
            "no column of the header ({columns}) is named {usual_names} or {last_usual_name}: name the"
            " column of the phones with {phone_column}",
            columns=list_names(names),
            usual_names=list(PHONE_NAMES[:-1]),
            last_usual_name=PHONE_NAMES[-1],
            phone_column=Entry(Field.PHONE_COLUMN, likely[0] if len(likely) == 1 else ""),
        )
    if len(found) > 1:
        several = [names[position] for position in found]
        if len({_key(name) for name in several}) == 1:
            raise _two_columns(several[0])
        raise RecipientsError(
            "phone_column_ambiguous",
            "phones may be in {columns}: name the column of the mobile phones with {phone_column}",
            columns=several,
            phone_column=Entry(Field.PHONE_COLUMN, ""),
        )
    return found[0]


def _has_phones(cells: Sequence[str]) -> bool:
    filled = [cell.digits or cell if isinstance(cell, Cell) else cell for cell in cells if not is_blank(cell)]
    return bool(filled) and sum(map(_has_phone, filled)) * 2 >= len(filled)


def _find_column(names: Sequence[str], name: str) -> int:
    """Return the position of the column that a person named. A column of exactly this name takes precedence."""
    wanted = standardize(name)
    found = [position for position, each in enumerate(names) if each == wanted] or _find_alike(names, wanted)
    if not found:
        if is_copied_example(name):
            raise RecipientsError(
                "placeholder_copied",
                "{name} stands for the name of a column: write one of the columns {columns} in its place",
                name=name,
                columns=list_names(names),
            )
        raise RecipientsError(
            "column_missing",
            "there is no column {name!r}, the columns are {columns}",
            name=name,
            columns=list_names(names),
        )
    if len(found) > 1:
        raise _two_columns(names[found[0]])
    return found[0]


def _find_alike(names: Sequence[str], wanted: str) -> list[int]:
    key = _key(wanted)
    return [position for position, each in enumerate(names) if _key(each) == key]


def _two_columns(name: str) -> RecipientsError:
    return RecipientsError("column_ambiguous", "the header has two columns named {name}: rename one", name=name)


def _guess(names: Sequence[str], usual: Sequence[str]) -> int | None:
    return next((position for position, name in enumerate(names) if _key(name) in usual), None)


# Words in the headers of columns that hold the names of people, and words of greetings, which stand before the name of
# a person in a template.
_NAME = "nome"
_NAME_WORDS = frozenset({_NAME, "name", "nombre", "cliente"})
_GREETINGS = frozenset({
    "oi", "ola", "ei", "hola", "hi", "hello", "hey", "dear", "caro", "cara", "prezado", "prezada", "querido", "querida",
    "estimado", "estimada", "dia", "tarde", "noite", "dias", "tardes", "noches",
})  # fmt: skip
_AMOUNT, _DATE = "(amount)", "(date)"  # no words of a text, which have no parentheses
_CLAUSE_ENDS = re.compile(r"[,.;:!?\n]")
_NEAR = 3  # the number of compared words on each side of a variable
_LEAST_GAIN = 1e-6  # of a score; a smaller difference comes from rounding
_SHORTEST_WORD = 3  # shorter words, such as "de", tell nothing about a column
_COMMON_WORDS = frozenset({"com", "das", "dos", "para", "por", "que", "seu", "sua", "uma", "the", "del", "las", "los"})
# Words that make the name of a variable together with its number, such as "var 2" and "body_2".
_VARIABLE_WORDS = frozenset({
    "var", "variavel", "variable", "body", "corpo", "cuerpo", "param", "parametro", "parameter", "placeholder", "campo",
    "field", "v",
})  # fmt: skip
_BRACED_NUMBER = re.compile(r"\{\{ *([0-9]+) *\}\}")


class _Search:
    """The search for the columns of a template's variables. `taken`: the columns of the phone and the consent."""

    def __init__(
        self,
        names: Sequence[str],
        variables: Sequence[str],
        choice: Choice,
        excerpts: Mapping[str, str],
        taken: Iterable[int | None],
    ) -> None:
        self._names, self._variables, self._choice, self._excerpts = names, variables, choice, excerpts
        self._taken = set(taken)
        by_key = {_key(variable): variable for variable in variables}
        self._mapping: dict[str, str] = {}
        for given, column in choice.mapping.items():
            variable = given if given in variables else by_key.get(_key(given))
            if variable is None and _key(column) in by_key:
                raise RecipientsError(
                    "mapping_reversed",
                    "{given} is the wrong way round: write the variable before the column, {right}",
                    given=Entry(Field.COLUMN, f"{given}={column}"),
                    right=Entry(Field.COLUMN, f"{by_key[_key(column)]}={given}"),
                )
            if variable is None or variable in self._mapping:
                raise _unknown_variable(given, variables)
            self._mapping[variable] = column

    def find(self, earlier: Mapping[str, int]) -> tuple[tuple[int, ...], frozenset[int]]:
        """Return the position of the column of each variable, and the positions that follow only from the order.

        `earlier`: by variable, its column in an earlier file with the same header.
        """
        found = {**earlier} or {
            variable: _find_column(self._names, variable)
            for variable in self._variables
            if variable not in self._mapping and _find_alike(self._names, variable)
        }
        found |= {variable: _find_column(self._names, column) for variable, column in self._mapping.items()}
        found |= self._find_numbered(found)
        rest = [variable for variable in self._variables if variable not in found]
        free = self._find_free(found)
        if rest and not self._may_go_by_order(rest, free):
            raise self._missing(rest, free)
        pairs = dict(zip(rest, free, strict=False))
        self._check_order(pairs)
        if pairs and not self._choice.may_go_by_order:
            raise self._unnamed(pairs)
        found |= pairs
        return tuple(found[variable] for variable in self._variables), frozenset(pairs.values())

    def _find_free(self, found: Mapping[str, int]) -> list[int]:
        taken = self._taken | set(found.values())
        return [position for position, name in enumerate(self._names) if name and position not in taken]

    def _find_numbered(self, found: Mapping[str, int]) -> dict[str, int]:
        """Return the columns whose names have the number of a variable, such as "var 2" or "{{2}} discount".

        Numbers in other names, such as "parcel 2" and "parcel 1", decide only if each free column has the number of
        another variable.
        """
        rest = [variable for variable in self._variables if variable not in found]
        free = self._find_free(found)
        numbers = {position: _lone_number(self._names[position]) for position in free}
        is_complete = sorted(numbers.values()) == sorted(rest)
        numbered: dict[str, int] = {}
        for variable in rest:
            named = [
                position
                for position in free
                if numbers[position] == variable and (is_complete or _names_variable(self._names[position]))
            ]
            if len(named) > 1:
                raise self._missing(rest, free)
            if named:
                numbered[variable] = named[0]
        return numbered

    def _may_go_by_order(self, rest: Sequence[str], free: Sequence[int]) -> bool:
        if self._mapping or len(rest) != len(free):
            return False
        return len(rest) == len(self._variables) or all(_NUMBERED.fullmatch(variable) for variable in rest)

    def _missing(self, rest: Sequence[str], free: Sequence[int]) -> RecipientsError:
        """Return the refusal of a file that has no column for the variables in `rest`."""
        named = [self._names[position] for position in free]
        values: dict[str, Any] = {
            "takes": Count(len(self._variables), "variable"),
            "variables": list_names(self._variables),
            "missing": [self._quote(variable) for variable in rest],
            "columns": list_names(named),
            "choices": self._propose(rest, named),
            "values": [Entry(Field.VALUE, variable) for variable in rest],
        }
        if not named:
            text = _ADD_OR_SET if self._choice.may_set_values else _ADD
            return RecipientsError("columns_missing", text, **values)
        text = _MAP_OR_SET if self._choice.may_set_values else _MAP
        return RecipientsError("columns_unclear", text, **values)

    def _unnamed(self, pairs: Mapping[str, int]) -> RecipientsError:
        """Return the refusal of a file whose columns only their order would assign to variables."""
        named = [self._names[position] for position in pairs.values()]
        return RecipientsError(
            "columns_unnamed",
            "the campaign has people already, and no column has the name of {missing}: so that these people get the"
            " same text, choose from the columns {columns} with {choices}",
            missing=[self._quote(variable) for variable in pairs],
            columns=list_names(named),
            choices=self._propose([*pairs], named),
        )

    def _propose(self, rest: Sequence[str], columns: Sequence[str]) -> list[Entry]:
        """Return an entry for each variable in `rest`.

        The entry names a column only if exactly one column has a name like the variable's name, or a name that stands
        beside the variable in the template. Otherwise the person chooses the column.
        """
        entries = []
        for variable in rest:
            near = _words_near(self._excerpts.get(variable, ""))
            alike = [each for each in columns if _is_alike(variable, each) or _stands_in(each, near)]
            entries.append(Entry(Field.COLUMN, f"{variable}={alike[0]}" if len(alike) == 1 else variable))
        return entries

    def _quote(self, variable: str) -> str:
        excerpt = self._excerpts.get(variable)
        return f'{variable} ("{excerpt}")' if excerpt else variable

    def _check_order(self, pairs: Mapping[str, int]) -> None:
        """Refuse columns whose order contradicts the template.

        The order contradicts the template if two columns, exchanged for each other, have more words in common with the
        text beside their variables. A word counts more the nearer it is to the variable.
        """
        score = _Fit(self._names, self._excerpts, pairs)
        proposal = _exchange_columns(pairs, score)
        moved = [variable for variable in pairs if proposal[variable] != pairs[variable]]
        if not moved:
            return
        variable = max(moved, key=lambda each: score(each, proposal[each]))
        position = proposal[variable]
        raise RecipientsError(
            "columns_swapped",
            "the columns seem to be in another order than the variables: the template says {excerpt}, and the column"
            " {column} would fill {other}; name the column of each variable with {choices}",
            excerpt=self._quote(variable),
            column=self._names[position],
            other=next(each for each, taken in pairs.items() if taken == position),
            choices=[Entry(Field.COLUMN, f"{each}={self._names[taken]}") for each, taken in proposal.items()],
        )


class _Fit:
    """Scores how well a column fits a variable: by its name, by a number in it, and by the text beside the variable.

    `pairs`: by variable, the position of its column.
    """

    def __init__(self, names: Sequence[str], excerpts: Mapping[str, str], pairs: Mapping[str, int]) -> None:
        self._names = names
        self._near = {variable: _words_near(excerpts.get(variable, "")) for variable in pairs}
        self._subjects = self._find_subjects(pairs.values())

    def __call__(self, variable: str, position: int) -> float:
        name = self._names[position]
        is_named = _key(variable) == _key(name) or variable == _lone_number(name)
        return is_named + sum(self._near[variable].get(word, 0) for word in self._subjects[position])

    def _find_subjects(self, positions: Iterable[int]) -> dict[int, set[str]]:
        """Return, by column, the words of its name that tell it apart from the other columns."""
        subjects = {position: _subject(each := self._names[position]) | _kinds(each) for position in positions}
        common = set.intersection(*subjects.values()) if len(subjects) > 1 else set()
        return {position: words - common for position, words in subjects.items()}


def find_exchanged(
    columns: Columns, variables: Sequence[str], choice: Choice, excerpts: Mapping[str, str]
) -> dict[str, str]:
    """Return the variables whose columns a person seems to have exchanged, each with the column that fits better.

    The rule is that by which the order of columns is refused. `excerpts`: see `read_header`.
    """
    pairs = dict(zip(variables, columns.variables, strict=True))
    proposal = _exchange_columns(pairs, _Fit(columns.names, excerpts, pairs))
    moved = {each: columns.names[position] for each, position in proposal.items() if position != pairs[each]}
    chosen = set(map(_key, choice.mapping))
    return moved if any(_key(each) in chosen for each in moved) else {}


def _exchange_columns(pairs: Mapping[str, int], score: Callable[[str, int], float]) -> dict[str, int]:
    """Exchange two columns for each other, until no exchange gives a higher sum of scores."""
    best = dict(pairs)
    while True:
        for one, other in combinations(best, 2):
            now = score(one, best[one]) + score(other, best[other])
            if score(one, best[other]) + score(other, best[one]) > now + _LEAST_GAIN:
                best[one], best[other] = best[other], best[one]
                break
        else:
            return best


def _is_alike(one: str, other: str) -> bool:
    """Tell whether two names share a word, or differ in few letters only."""
    words, others = set(fold(one).split()), set(fold(other).split())
    ratio = difflib.SequenceMatcher(None, _key(one), _key(other)).ratio()
    return bool(words & others) or ratio >= _ALIKE


# The least part of the letters that two similar names share.
_ALIKE = 0.75
# The names of variables that people do not choose: {{1}}, the header, the buttons, and the file name.
_NUMBERED = re.compile(r"[0-9]+|header( 1)?|button [0-9]+|file name")
_MAP = (
    "the template takes {takes} ({variables}), and no column has the name of {missing}: choose from the columns"
    " {columns} with {choices}"
)
_MAP_OR_SET = (
    "the template takes {takes} ({variables}), and no column has the name of {missing}: choose from the columns"
    " {columns} with {choices}, or give all recipients the same value with {values}"
)
_ADD = "the template takes {takes} ({variables}), and the file has no column for {missing}: add the columns"
_ADD_OR_SET = (
    "the template takes {takes} ({variables}), and the file has no column for {missing}: add the columns, or give all"
    " recipients the same value with {values}"
)


def _unknown_variable(given: str, variables: Sequence[str]) -> RecipientsError:
    return RecipientsError(
        "variable_unknown",
        "{column} names {variable!r}, which is not one variable of the template: its variables are {variables}"
        if variables
        else "{column} names {variable!r}, which is not one variable of the template: it has no variables",
        column=Entry(Field.COLUMN),
        variable=given,
        variables=list_names(variables),
    )


def _find_stray_cell(columns: Columns, cells: Sequence[str]) -> RowProblem | None:
    """Return the problem of a row with a text in a column that has no name."""
    width = len(columns.names)
    if len(cells) > width and _has_text(cells[width:]):
        return RowProblem(f"column {width + 1}", "is not in the header")
    for position in columns.nameless:
        if _has_text(cells[position : position + 1]):
            return RowProblem(f"column {position + 1}", "has no name in the header (is the cell of its name merged?)")
    return None


def _words_near(excerpt: str) -> dict[str, float]:
    """Return the words beside the variable of an excerpt, with a weight: 1 beside the variable, 1/2 for the next word.

    Short and common words have no weight of their own, and words behind a comma belong to something else. The result
    has `_AMOUNT` beside a currency, `_DATE` behind words such as "vence em", and `_NAME` if one of the words means a
    name, or if a greeting stands before the variable.
    """
    before, _, after = excerpt.partition("{{")
    words_before = fold(before).split()
    words_after = fold(_CLAUSE_ENDS.split(after.partition("}}")[2], maxsplit=1)[0]).split()
    near: dict[str, float] = {}
    if has_currency(excerpt):
        near[_AMOUNT] = 1
    if tells_date(excerpt):
        near[_DATE] = 1
    for words in (words_before[::-1], words_after):
        telling = [word for word in words if len(word) >= _SHORTEST_WORD and word not in _COMMON_WORDS]
        for distance, word in enumerate(telling[:_NEAR], start=1):
            near[word] = max(near.get(word, 0), 1 / distance)
    if _GREETINGS & set(words_before[-1:]):
        near[_NAME] = 1
    elif near.keys() & _NAME_WORDS:
        near[_NAME] = max(near[word] for word in near.keys() & _NAME_WORDS)
    return near


def _subject(column: str) -> set[str]:
    words = {word for word in fold(column).split() if len(word) >= _SHORTEST_WORD} - _COMMON_WORDS
    return {_NAME} if words & _NAME_WORDS else words


def _kinds(column: str) -> set[str]:
    """Return which kinds of values the name of a column tells: `_AMOUNT`, `_DATE`."""
    return {kind for kind, is_told in ((_AMOUNT, names_amounts), (_DATE, names_dates)) if is_told(column)}


def _lone_number(column: str) -> str:
    """Return the number in the name of a column, without zeros before it: the number in braces, or the only number."""
    numbers = _BRACED_NUMBER.findall(column) or re.findall("[0-9]+", fold(column))
    return numbers[0].lstrip("0") if len(numbers) == 1 else ""


def _names_variable(column: str) -> bool:
    """Tell whether the name of a column is the name of a variable with a number."""
    words = set(re.findall("[a-z]+", fold(column)))
    return bool(_BRACED_NUMBER.search(column)) or words <= _VARIABLE_WORDS


def _stands_in(column: str, near: Iterable[str]) -> bool:
    """Tell whether the words beside a variable include the name of a column."""
    subject = _subject(column)
    return bool(subject) and subject <= set(near)


def _check_cells(columns: Columns, cells: Sequence[str], *, takes_nulls: bool) -> RowProblem | None:
    """Return the problem of the first unusable cell.

    A cell is unusable if its text would reach the person wrongly, or if it stands for a missing value.
    """
    for position in (*columns.variables, columns.consent):
        if position is None:
            continue
        cell = cells[position]
        is_usual = type(cell) is str and len(cell) <= _LONGEST_KEPT
        check = _check_usual_cell if is_usual else _check_cell
        dates, is_consent = columns.dates.get(position), position == columns.consent
        problem = check(columns.names[position], cell, dates, is_consent=is_consent, takes_nulls=takes_nulls)
        if problem is not None:
            return problem
    return None


def _check_cell(name: str, cell: str, dates: range | None, *, is_consent: bool, takes_nulls: bool) -> RowProblem | None:
    """Return the problem of a cell. `dates`: as for `_check_text`."""
    if dates is None and _PLAIN_WORDS.fullmatch(cell) and not (is_null(cell) or is_logical(cell)):
        return None  # nearly every name
    problem = _check_text(name, cell, dates)
    if problem is not None or takes_nulls:
        return problem
    problem = _check_value(name, trim(cell), takes_punctuation=is_consent)
    if problem is not None or is_consent:
        return problem
    return _check_form(name, cell, has_dates=dates is not None)


# Names, amounts and dates come again and again in a list, so each is checked once. A `Cell` is not kept, because it is
# equal to the text that it shows, but may have a problem of its own.
_LONGEST_KEPT = 100
_PLAIN_WORDS = re.compile(r"[A-Za-z][A-Za-z ]*[A-Za-z]", re.ASCII)
_check_usual_cell = lru_cache(20_000)(_check_cell)


def _check_text(name: str, cell: str, dates: range | None) -> RowProblem | None:
    """Return the problem of a cell whose text is not what its author wrote.

    It is an error of the spreadsheet, it is in a wrong encoding, it is the number of a date, or the text that Excel
    shows is not known. `dates`: the numbers that would be dates in this column.
    """
    if isinstance(cell, Cell) and cell.problem:
        return RowProblem(name, cell.problem)
    if error := find_error(cell):
        return RowProblem(name, f"is {error}, an error of the spreadsheet", RowCode.VALUE_MISSING)
    if wrong := find_wrong_encoding(cell):
        return RowProblem(
            name,
            f"has {wrong[0]} in place of {wrong[1]}, a wrong encoding: {EXPORT_AGAIN}",
            RowCode.ENCODING,
        )
    if dates is not None and (date := read_date_number(cell, dates)):
        return RowProblem(
            name,
            f"is {date[0]}, the number of a date ({date[1]}): format the column as a date",
            RowCode.DATE_NUMBER,
        )
    return None


def _check_value(name: str, word: str, *, takes_punctuation: bool) -> RowProblem | None:
    """Return the problem of a text that stands for a value which is missing."""
    if is_null(word):
        return RowProblem(name, f"is {word}, which a program writes for a missing value", RowCode.VALUE_MISSING)
    if is_placeholder(word):
        return RowProblem(name, "is a placeholder that no value has replaced", RowCode.VALUE_MISSING)
    if is_formula(word):
        return RowProblem(
            name, "is the text of a formula: put the result of the formula in its place", RowCode.VALUE_MISSING
        )
    if is_filler(word) and not takes_punctuation:
        return RowProblem(name, f"is {word[:_SHOWN_LENGTH]}, punctuation in place of a value", RowCode.VALUE_MISSING)
    return None


def _check_form(name: str, cell: str, *, has_dates: bool) -> RowProblem | None:
    """Return the problem of a logical value, of a date that no person writes, or of a sign in place of a letter.

    In a column of consents, such texts are answers.
    """
    if is_logical(word := trim(cell)):
        return RowProblem(
            name,
            f"is {word}, which a spreadsheet writes for yes or no: write the word that people shall read",
            RowCode.VALUE_MISSING,
        )
    if problem := _find_date_problem(cell, has_dates=has_dates):
        return RowProblem(name, problem, RowCode.DATE_WRONG)
    if _names_person(name) and _NO_NAME.fullmatch(trim(cell)):
        return RowProblem(name, "is a number, which is no name: correct it", RowCode.KIND)
    if "@" in cell and _names_person(name) and _EMAIL.fullmatch(trim(cell)):
        return RowProblem(name, "is an address of e-mail, which is no name: correct it", RowCode.KIND)
    return _check_letters(name, cell)


def _check_letters(name: str, cell: str) -> RowProblem | None:
    """Return the problem of a text with a sign in place of a letter or of a currency."""
    sign = find_replaced_letter(cell, column=name)
    if sign and is_misread(sign):
        shown = sign if sign.isprintable() and not sign.isspace() else "an invisible character"
        return RowProblem(name, f"has {shown} in place of a letter, {MISREAD}", RowCode.MISREAD)
    if sign:
        return RowProblem(name, f"has {sign} in place of a letter: {EXPORT_AGAIN}", RowCode.ENCODING)
    if has_replaced_currency(cell):
        return RowProblem(name, f"has ? in place of a currency: {EXPORT_AGAIN}", RowCode.ENCODING)
    return None


@lru_cache(1_000)
def _names_person(column: str) -> bool:
    return fold(column) in _PERSON_NAMES


def _find_date_problem(cell: str, *, has_dates: bool) -> str | None:
    if date := find_impossible_date(cell, has_dates=has_dates):
        return f"has {date}, a date that is in no calendar: correct it"
    if has_time_of_program(cell):
        return "is a date with a time that a program has added, such as 00:00:00: keep the date only"
    if has_dates and is_no_date(cell):
        return f"is {trim(cell)}, which is no date: correct it"
    return None


def _has_text(cells: Sequence[str]) -> bool:
    return not all(map(is_blank, cells))


# The header must be in this number of first rows of a file, because a title may stand above it.
HEADER_WITHIN = 20


def demand_header(
    rows: Sequence[tuple[int, Sequence[str] | RowProblem]], phone: str | None = None
) -> tuple[int, Sequence[str]]:
    """Return the position of the header, as `find_header` does, and its cells.

    Raises RecipientsError if a cell of the header cannot be read.
    """
    position = find_header(rows, phone)
    number, header = rows[position]
    if isinstance(header, RowProblem):
        raise RecipientsError(
            "header_unreadable", "row {row}: {column} {reason}", row=number, column=header.column, reason=header.reason
        )
    return position, header
