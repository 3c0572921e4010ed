"""Recognises the numbers by which Excel stores dates: 46357 is 1 December 2026.

Excel shows such a number if the column of the dates is not formatted as a date.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable

from campaigns.domain.text.normal import fold, split_words, standardize

_BIRTH_WORDS = frozenset({
    "aniversario", "aniv", "birth", "birthdate", "birthday", "cumpleanos", "dob", "nacimiento", "nasc", "nascimento",
    "niver",
})  # fmt: skip
_DUE_WORDS = frozenset({
    "caducidad", "deadline", "due", "expira", "expiracao", "expiration", "expires", "expiry", "plazo", "prazo",
    "prazos", "until", "valid", "valida", "validade", "validez", "validity", "valido", "vcto", "venc", "vence",
    "vencimento", "vencimentos", "vencimiento", "vto",
})  # fmt: skip
_DATE_WORDS = _BIRTH_WORDS | _DUE_WORDS | {"data", "datas", "date", "dates", "dt", "fecha", "fechas"}
# Words of a text before a date, and words behind a number. "De até" and "em até" stand before an amount.
_BEFORE_DATE = re.compile(
    r"\b(antes de|(?<!\bde )(?<!\bem )ate( o dia)?|before|due( by| on)?|expira( em)?|expires?( on)?|"
    r"hasta( el( dia)?)?|no dia|(un)?till?|valid (through|thru|to)|vence( el| em| no dia)?|vencimento|vencimiento)$"
)
_UNITS = frozenset({
    "euros", "kg", "km", "milhas", "miles", "millas", "parcelas", "people", "pesos", "pessoas", "points", "pontos",
    "puntos", "reais", "reales", "unidades", "units", "vagas", "vezes",
})  # fmt: skip
# Words in the name of a column, and before a date, of something that is still to come.
_COMING_WORDS = _DUE_WORDS | {"renewal", "renews", "renova", "renovacao", "renovacion", "renueva"}
_BEFORE_COMING = re.compile(
    r"\b((?<!\bde )(?<!\bem )ate|begins?|due|ends?|expira|expires?|hasta|starts?|(un)?till?|"
    r"valid (through|thru|to)|vence|vencimento|vencimiento|renews?|renewal( date)?( is)?|will be|"
    r"scheduled for|booked for|renova(cao)?( se)?|renueva( se)?|renovacion|comeca|inicia|empieza|comienza|termina|"
    r"encerra|acaba|sera|agendad[ao]|marcad[ao]|programad[ao])( (by|on|em|no|para|el|a partir de))?( (o|el))?( dia)?$"
)
# Words of a text about a date that has passed.
_PAST = re.compile(
    r"\b(aberto|atras\w*|caduco|debito|debt|divida|expired|expirou|overdue|past due|pendente\w*|pending|unpaid|"
    r"vencid[ao]s?|vencio|venceu|venceram|was due)\b"
)
# A column with one of these words has numbers that are no dates, as `valor do vencimento` has.
_NUMBER_WORDS = frozenset({
    "amount", "code", "codigo", "cod", "cupom", "id", "monto", "no", "number", "numero", "pontos", "preco", "price",
    "protocolo", "qtd", "quantidade", "saldo", "total", "valor", "value", "vlr",
})  # fmt: skip
_DATE = re.compile(
    r"(?:[0-9]{1,2}([/.-])[0-9]{1,2}\1(?:[0-9]{2}|[0-9]{4})|[0-9]{4}([/.-])[0-9]{1,2}\2[0-9]{1,2})(?:[ T].*)?"
    r"|[0-9]{1,2}\u00ba? (?:de )?[^\W\d_]{3,}\.? (?:de )?[0-9]{4}"
)
# A separator of thousands may stand in the number: 46.357 in Brazil, 46,357 in the USA.
_NUMBER = re.compile(r"([0-9]{2})[.,' ]?([0-9]{3})(?:[.,][0-9]+)?")
_FIRST_DAY = dt.date(1899, 12, 30)  # the day 0 of Excel, for all dates since March 1900
_NUMBERS = range(36526, 73051)  # the years 2000 to 2099
_BIRTH_NUMBERS = range(10000, 73051)  # since 1927


def find_date_numbers(name: str, cells: Iterable[str], *, excerpt: str = "") -> range | None:
    """Return the numbers that would be dates in a column; None if the column has no dates.

    `name`: the name of the column. `cells`: the first cells of the column. `excerpt`: the text of the template around
    the variable that the column fills. The column has dates if its name says so, if the text does, as `valid until
    {{2}}` does, or if one of the cells is a date.
    """
    words = set(split_words(name))
    if words & _NUMBER_WORDS:
        return None
    if words & _BIRTH_WORDS:
        return _BIRTH_NUMBERS
    return _NUMBERS if words & _DATE_WORDS or tells_date(excerpt) or any(map(_is_date, cells)) else None


def names_dates(column: str) -> bool:
    """Tell whether the name of a column says that it has dates."""
    words = set(split_words(column))
    return not words & _NUMBER_WORDS and bool(words & _DATE_WORDS)


def tells_date(excerpt: str) -> bool:
    """Tell whether the text around a variable says that it is a date, as `vence em {{1}}` does."""
    before, _, rest = excerpt.partition("{{")
    after = fold(rest.partition("}}")[2]).split()[:1]
    return _BEFORE_DATE.search(fold(before)) is not None and not _UNITS & {*after}


def is_due(name: str, text: str, *, excerpt: str = "") -> bool:
    """Tell whether a column has dates that are still to come, by its name and the text of the template.

    A reminder of an unpaid bill has dates that have passed. `excerpt`: the text around the variable, as in `your plan
    renews on {{2}}`.
    """
    words = {*split_words(name)}
    if words & _BIRTH_WORDS or _PAST.search(fold(text)) is not None:
        return False
    return bool(words & _COMING_WORDS) or _BEFORE_COMING.search(fold(excerpt.partition("{{")[0])) is not None


def read_date_number(text: str, numbers: range) -> tuple[str, dt.date] | None:
    """Return a number of a date and its date, if the whole text is such a number; else None."""
    found = _NUMBER.fullmatch(standardize(text))
    if found is None or (days := int(found[1] + found[2])) not in numbers:
        return None
    return found[0], _FIRST_DAY + dt.timedelta(days=days)


def _is_date(text: str) -> bool:
    return _DATE.fullmatch(standardize(text)) is not None
