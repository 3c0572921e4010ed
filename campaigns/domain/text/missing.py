"""Recognises cells in which a spreadsheet, a program or a person has written something in place of a value."""

from __future__ import annotations

import re
import unicodedata

from campaigns.domain.text.normal import standardize

# The error values of Excel in the languages of lists that people import, and those of LibreOffice and Google Sheets, in
# the form of `_simplify`. Only these names are errors: #PROMO! and #VIP! are texts that people write.
_ERRORS = frozenset({
    "#n/a", "#n/a!", "#n/d", "#nv", "#n/v", "#nd", "#div/0!",
    "#ref!", "#bezug!", "#rif!", "#null!", "#nulo!", "#nul!", "#nullo!",
    "#num!", "#nombre!", "#zahl!", "#value!", "#valor!", "#valeur!", "#wert!", "#valore!",
    "#name?", "#nome?", "#nombre?", "#nom?",
    "#spill!", "#despejar!", "#desbordamiento!", "#uberlauf!", "#propagation!", "#deversement!", "#espansione!",
    "#calc!", "#kalk!", "#calcul!", "#calcolo!", "#field!", "#campo!", "#champ!", "#feld!",
    "#blocked!", "#bloqueado!", "#bloque!", "#gesperrt!", "#bloccato!",
    "#connect!", "#conectar!", "#conexao!", "#connexion!", "#verbinden!", "#connetti!",
    "#busy!", "#ocupado!", "#occupe!", "#unknown!", "#desconhecido!", "#desconocido!", "#inconnu!", "#unbekannt!",
    "#getting_data", "#obtendo_dados", "#obteniendo_datos", "#obtention_donnees", "#chargement_donnees",
    "#daten_abrufen", "#recupero_dati",
    "#external!", "#python!", "#error!", "#erro!", "#fehler!", "#erreur!", "#errore!", "#timeout!", "#macro?",
    "#nulla!", "#zerooszto!", "#ertek!", "#hiv!", "#nev?", "#szam!", "#hianyzik",
    "#tyhja!", "#jako/0!", "#arvo!", "#viittaus!", "#nimi?", "#luku!", "#puuttuu!", "#yhteys!",
    "#deleni_nulou!", "#hodnota!", "#odkaz!", "#nazev?", "#cislo!", "#neni_k_dispozici",
    "#пусто!", "#дел/0!", "#знач!", "#ссылка!", "#имя?", "#число!", "#н/д",
    "#bos!", "#sayi/0!", "#deger!", "#basv!", "#ad?", "#sayi!", "#yok",
    "#dziel/0!", "#arg!", "#adr!", "#nazwa?", "#liczba!", "#n/d!",
    "#leeg!", "#deel/0!", "#waarde!", "#verw!", "#naam?", "#getal!", "#n/b",
    "#division/0!", "#vardefel!", "#referens!", "#namn?", "#ogiltigt!", "#saknas!",
    "#verdi!", "#værdi!", "#reference!", "#navn?", "#i/t",
    "loading...", "carregando...", "cargando...", "chargement...", "wird geladen...",
})  # fmt: skip
_ERROR_FORMS = re.compile(r"err(o|or)?:[0-9]{3}|#{3,}")
_SHOWN = 60
# The whole text is the place of a value in a text that a program should have filled.
_PLACEHOLDER = re.compile(
    r"\$?\{{1,2}[\w .#-]+\}{1,2}|%[^\W\d]\w*%|<<[^<>]+>>|\u00ab[^\u00ab\u00bb]+\u00bb|\[\[[^\[\]]+\]\]"
)
_PLACEHOLDER_STARTS = frozenset("${%<\u00ab[")
# The exact forms in which programs write that a value is missing. "Null" and "Nan" are not in this list, because people
# have these names, and no program writes these forms.
_NULLS = frozenset({
    "NULL", "null", "(null)", "(NULL)", "[NULL]", "<null>", "\\N", "NaN", "nan", "NAN", "-nan", "<NA>", "NaT", "None",
    "NONE", "N/A", "n/a", "N/D", "n/d", "undefined", "[object Object]",
    "inf", "-inf", "Inf", "-Inf", "Infinity", "-Infinity", "(blank)", "(vazio)", "(em branco)", "(en blanco)",
})  # fmt: skip
# The exact forms in which spreadsheets and programs write a yes or a no. People write them as other words.
_LOGICAL = frozenset({
    "TRUE", "FALSE", "True", "False", "true", "false", "VERDADEIRO", "VERDADERO", "FALSO", "VRAI", "FAUX", "WAHR",
    "FALSCH",
})  # fmt: skip
# A sign such as R$ or US$ with its letters, and the codes that stand for it.
_CURRENCY = re.compile(r"[A-Z]{1,3}(?=\$)|BRL|EUR|USD")
# The categories of the signs of currencies, of accents and of sums. Emoji have the category So, which is not here.
_MARKS = frozenset({"Sc", "Sk", "Sm"})
# A text that Excel would compute: an equals sign before a name, a number, a quote or an opening bracket, or another
# sign before the address of a cell or the name of a function.
_FORMULA = re.compile(
    r"""=[+-]*[^\W_] | =[+-]*[(\[{"'$@]\S | [+@-]\$?[A-Z]{1,3}\$?[0-9]+([-+*/^&:!].*)?$ | [+@-][^\W\d_][\w.]*\(""",
    re.DOTALL | re.VERBOSE,
)
_SMILEY = re.compile(r"=[BbCcDdOoPpSsXx03|(\[](?=$|[\s!.,])")
_FORMULA_STARTS = frozenset("=+-@")


def find_error(text: str) -> str | None:
    """Return the error value of a spreadsheet, such as #N/D, if the whole text is one; else None.

    Of a long row of #, the beginning is returned.
    """
    if text[:1].isalnum() and ":" not in text and not text.rstrip().endswith((".", "…")):  # nearly every value
        return None
    plain = standardize(text).removeprefix("'")
    simple = _simplify(plain)
    return plain[:_SHOWN] if simple in _ERRORS or _ERROR_FORMS.fullmatch(simple) else None


def _simplify(text: str) -> str:
    """Return a text without case, accents, and the marks \u00a1 and \u00bf, with which only Spanish errors begin."""
    letters = unicodedata.normalize("NFKD", text.casefold())
    return "".join(each for each in letters if each not in "\u00a1\u00bf" and unicodedata.category(each) != "Mn")


def is_null(text: str) -> bool:
    """Tell whether the whole text is a form in which programs write that a value is missing, such as NULL or nan."""
    return text in _NULLS


def is_logical(text: str) -> bool:
    """Tell whether the whole text is a logical value of a spreadsheet or a program, such as VERDADEIRO or False."""
    return text in _LOGICAL


def is_placeholder(text: str) -> bool:
    """Tell whether the whole text is a placeholder that no value has replaced, such as {{nome}} or %NOME%."""
    return text[:1] in _PLACEHOLDER_STARTS and _PLACEHOLDER.fullmatch(text) is not None


def is_filler(text: str) -> bool:
    """Tell whether a text consists of punctuation marks and signs of currencies, such as `-`, `?` or `R$ -`.

    Excel shows `R$ -` for a zero in a column of the format Accounting.
    """
    if not text or text[-1].isalnum():  # nearly every value
        return False
    marks = "".join(_CURRENCY.sub("", text).split())
    return bool(marks) and all(map(_is_mark, marks))


def is_formula(text: str) -> bool:
    """Tell whether a text is a formula that no spreadsheet has computed, such as `=B2*2`, and not a smiley."""
    return text[:1] in _FORMULA_STARTS and _FORMULA.match(text) is not None and _SMILEY.match(text) is None


def _is_mark(letter: str) -> bool:
    category = unicodedata.category(letter)
    return category.startswith("P") or category in _MARKS
