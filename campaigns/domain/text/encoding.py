"""Recognises texts whose letters a program has damaged.

A program has encoded the text as UTF-8 and then read it in the encoding of Windows (`JoÃ£o`), or it has replaced the
letters that its encoding lacks (`Jo?o`).
"""

from __future__ import annotations

import re

from campaigns.domain.text.normal import split_words


def _read_bytes(codes: range) -> str:
    """Return the characters that a program on Windows reads from these bytes."""
    return "".join(map(_read_byte, codes))


def _read_byte(code: int) -> str:
    try:
        return bytes([code]).decode("cp1252")
    except UnicodeDecodeError:  # Windows reads the five bytes without a character as control characters
        return chr(code)


# LibreOffice reads the bytes for which Windows has no character as characters for private use.
_PRIVATE = {chr(0xF100 + code): code for code in (0x81, 0x8D, 0x8F, 0x90, 0x9D)}
_BYTES = {_read_byte(code): code for code in range(256)} | _PRIVATE
# In UTF-8, a character outside ASCII begins with a byte of the first range and goes on with bytes of the second range.
_LATER = re.escape(_read_bytes(range(0x80, 0xC0)) + "".join(_PRIVATE))
_WRONG = re.compile(f"[{_read_bytes(range(0xC2, 0xF5))}][{_LATER}]+")
# The characters that lists contain: signs and letters of European languages, accents, quotes and symbols, and emoji.
# In NESCAFÉ® the last two characters would be another letter in UTF-8, which no list contains.
_USUAL = (range(0x80), range(0xA0, 0x180), range(0x300, 0x370), range(0x2000, 0x2C00), range(0xFE00, 0xFE10))
_EMOJI = range(0x1F000, 0x20000)


_LETTER = r"[^\W\d_]"
# A question mark of Spanish, which never ends a word, and a question mark within a word. A word has letters only,
# because links have question marks, too.
_REPLACED = re.compile(
    rf"(?<={_LETTER})\u00bf|(?<![^\s(\"'-])(?:{_LETTER}+\?+)+(?P<rest>{_LETTER}+)(?![^\s).,;:!\"'-])"
)
# A name has no question mark.
_REPLACED_IN_NAME = re.compile(rf"\u00bf|\?(?={_LETTER})|(?<={_LETTER})\?")
# Other programs read a byte of DOS or of a Mac as a control character.
_INVISIBLE = "\x80-\x84\x86-\x9f" + "".join(_PRIVATE)  # \x85 is a line end
_SMALL, _LARGE = "[a-z\u00df-\u00f6\u00f8-\u00ff]", "[A-Z\u00c0-\u00d6\u00d8-\u00de]"
# What Windows shows for a letter of a Mac, as in `ChloŽ`, or of DOS, as in `JoÆo`. No word has these signs.
_SIGN = "[\u0192\u2021\u2030\u00a2\u00a3\u00a4\u00a5\u00ac\u00b6\u201a\u201e\u20ac\u2122\u02c6\u02dc]"
_MISREAD = re.compile(
    rf"(?<={_LARGE}){_SIGN}(?={_LETTER})|(?<={_SMALL}){_SIGN}(?={_SMALL})|(?<={_LARGE})\u0178(?={_SMALL})"
    rf"|(?<={_SMALL})[\u0160\u017d\u0178\u0152\u00c6]|(?<={_LETTER})[{_INVISIBLE}]|[{_INVISIBLE}](?={_LETTER})"
)
_CONSONANT = "[b-df-gj-np-tv-z]"  # without h, before which an apostrophe stands, as before a vowel
_PARTICLE = r"(?:d[aeiou]s?|del|della|e|i|la|van|von|y)\b"
# Another text may have such a sign, such as a dash or the mark of a note, but a name has none.
_MISREAD_IN_NAME = re.compile(
    rf"(?<={_SMALL})[\u2039\u203a\u2013\u2014\u00a1\u00a7](?={_SMALL})|(?<={_LETTER}){_SIGN}(?={_SIGN}?{_LETTER})"
    rf"|(?<={_LETTER})[\u0192\u2021\u2030\u201a\u00a2](?!\S)|(?<!\S)[\u0192\u201a\u00b6\u20ac](?={_LETTER})"
    rf"|(?<={_LETTER})\u2018(?!\S)"
    # Quotes and crosses in words, and an apostrophe before a consonant, as in `Ant\u201cnio` and `Patr\u2019cia`.
    rf"|(?<={_LETTER})[\u201c\u201d\u2020](?={_LETTER})|(?<={_SMALL})\u2019(?={_CONSONANT})(?!s\b)"
    rf"|(?<!\S)[\u2020\u2030\u2039\u0178\u00b5](?={_LETTER})|(?<={_LETTER})\u00b5|(?<={_LARGE})\u2039(?={_LARGE})"
    # Letters of the wrong case, and letters that do not stand there in any name, as in `Sim\u00e4ES` and `J\u0153lia`.
    rf"|(?<={_LARGE})[\u00e4-\u00e6\u00eb\u00ec\u00ee-\u00f2\u00f9](?={_LARGE})|(?<={_LARGE})\u017d(?={_SMALL}|\b)"
    rf"|\u00e4(?=es\b)|\u0153(?={_CONSONANT})|\u0152(?={_CONSONANT.upper()})|(?<!\S)[\u00e5\u00e6\u00ee\u00f2\u00d2](?={_CONSONANT})"
    # A non-breaking space behind a consonant in a word, as in `F\u00a0bio`. In `Jo\u00e3o\u00a0da Silva`, it separates
    # two words.
    + "".join(
        rf"|(?<=\b{_LARGE}{_SMALL * length})(?<=[b-df-hj-np-tv-zB-DF-HJ-NP-TV-Z])\u00a0(?={_SMALL})(?!{_PARTICLE})"
        for length in range(5)
    )
)
_REPLACED_CURRENCY = re.compile(r"\?\s*[0-9][0-9.,]*|[0-9][0-9.,]*[.,][0-9]{2}\s*\?")
# Words in the names of columns with the names of people and places.
_NAME_WORDS = frozenset({
    "aluna", "aluno", "apellido", "apellidos", "associado", "atendente", "bairro", "cidade", "city", "ciudad",
    "cliente", "consultor", "consultora", "contact", "contacto", "contato", "customer", "destinatario", "endereco",
    "filial", "firstname", "lastname", "logradouro", "loja", "medico", "morador", "municipio", "name", "nombre", "nome",
    "paciente", "primeironome", "responsavel", "rua", "sobrenome", "surname", "tienda", "titular", "unidade",
    "vendedor", "vendedora",
})  # fmt: skip


def find_replaced_letter(text: str, *, column: str) -> str | None:
    """Return the sign that a program wrote in place of a letter, as in `Jo?o`, `S¿o Paulo` and `JoÆo`; else None.

    A question mark between two small letters, or between two capitals, replaces a letter. `column`: the name of the
    column; if the column has the names of people or places, a question mark beside any letter replaces a letter.
    """
    if text.isascii() and "?" not in text:  # nearly every value
        return None
    if misread := _MISREAD.search(text):
        return misread[0]
    if _NAME_WORDS & set(split_words(column)):
        found = _REPLACED_IN_NAME.search(text) or _MISREAD_IN_NAME.search(text)
        return found[0] if found else None
    for found in _REPLACED.finditer(text):
        rest = found["rest"]
        if rest is None:
            return found[0]
        start = found[0]
        if rest[0].islower() or start.isupper():
            return "?"
    return None


def is_misread(sign: str) -> bool:
    """Tell whether a sign of `find_replaced_letter` shows that a program read the encoding of another system.

    Then the whole list has been read in this way, also where the wrong letters look right, such as `Öris` for `Íris`.
    """
    return sign not in {"?", "\u00bf"}


def has_replaced_currency(text: str) -> bool:
    """Tell whether a text is an amount with a question mark in place of the currency, such as `?10.00`."""
    return _REPLACED_CURRENCY.fullmatch(text.strip()) is not None


def find_wrong_encoding(text: str) -> tuple[str, str] | None:
    """Return the first wrong characters of a text and the characters in whose place they stand, such as `Ã£` and `ã`.

    The result is None if the text has no wrong character. The whole text must be in the wrong encoding.
    """
    if text.isascii() or (found := _WRONG.search(text)) is None:
        return None
    try:
        right = bytes(_BYTES[letter] for letter in text).decode()
        meant = bytes(_BYTES[letter] for letter in found.group()).decode()
    except (KeyError, UnicodeDecodeError):
        return None
    if not all(any(ord(letter) in each for each in (*_USUAL, _EMOJI)) for letter in right):
        return None
    return found.group(), meant
