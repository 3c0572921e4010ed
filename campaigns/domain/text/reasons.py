"""Translates reasons that are stored as English texts: why rows of a list did not become messages, and why Meta gave
no readable answer about an account.

The reasons have their values filled in. So each text is compared with the forms below, which are the keys of its
translation. The reason of a row is worded to follow the name of a column.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from string import Formatter

from campaigns.domain.statement import Entry, Field, Hint, HintAction, Language, Sentence, Writer, deferred, quote

# The detail of the suppression of a person who said no in a list.
SAID_NO = deferred("said no in the list of campaign {id}")
# A place takes any text. The value of {problem} is a reason or a part of one, and is translated as well.
FORMS = (
    deferred("belongs to a person who wants no messages by another row"),
    deferred("begins like a link, but not with https://: correct it, or keep only the end of the link"),
    deferred("goes on behind its closing quote"),
    deferred("has a character that could not be read: {problem}"),
    deferred("has a control character"),
    deferred("has a line break"),
    deferred("has a space"),
    deferred("has a tab"),
    deferred("has a small or circled digit, which may be a note: keep the number only"),
    deferred("has an extension, which WhatsApp cannot reach"),
    deferred("has characters that no phone number has"),
    deferred("has much more text than a phone: keep the number only"),
    deferred("has more than one number in it: keep one in each row"),
    deferred("has more than {count} digits: is it two phones?"),
    deferred("has more than {count} spaces in a row"),
    deferred("has no area code"),
    deferred("has nothing behind the beginning of the button's link"),
    deferred("has no name in the header (is the cell of its name merged?)"),
    deferred(
        "has one to three digits apart from the number (a note, an extension, an area code?): keep the number only, "
        "and write its area code first"
    ),
    deferred("has the country code 55 twice: keep it once"),
    deferred("has words in it: keep the number only"),
    deferred(
        "has the number format {format}, {problem}: choose another format, or format it as text and type what people "
        "shall read"
    ),
    deferred(
        "is TRUE or FALSE, {problem}: choose another format, or format it as text and type what people shall read"
    ),
    deferred("is a company's number for callers (such as 0800, 0300 or 4004), no person's phone"),
    deferred("is a formula without a stored result: open the workbook in Excel, save it, and import it again"),
    deferred("has a conditional format, which may show another number: delete the condition in the workbook"),
    deferred("is hidden under merged cells: unmerge the cells in the workbook"),
    deferred("is a landline, and this import takes mobile phones only"),
    deferred("is a link or an id of WhatsApp that has no phone number in it"),
    deferred("is a link that does not begin with {link}, as the button's link does"),
    deferred("is a link to another site, and the button's link leads to {other}"),
    deferred("is a link to {host}, and the button's link leads to {other}"),
    deferred("is a negative number"),
    deferred("is a test number of Meta's (+1 555)"),
    deferred("is an error: correct it in the workbook"),
    deferred("is empty"),
    deferred("is in the campaign already"),
    deferred("is in the campaign already, with other values"),
    deferred("is longer than {count} characters"),
    deferred("is neither a link that begins with https:// nor the id of an upload"),
    deferred("is not a phone number"),
    deferred("is not a valid phone number"),
    deferred(
        "is not a valid phone number in {region}: write a phone of another country with + and its country code (in a"
        " spreadsheet, type '{example}… with the apostrophe), or choose another country for all phones of the list"
    ),
    deferred(
        "begins with 55, which may be the area code 55, or the country code of a number that lost its area code: write"
        " it with +55 and its area code"
    ),
    deferred("is not in the header"),
    deferred("is said to be a number, and is none: type it again"),
    deferred("is the error {error}: correct it in the workbook"),
    deferred("is written in the groups of a mobile phone, but has one digit less: correct it"),
    deferred("is the person of row {row}"),  # from an older version
    deferred("belongs to the person of row {row}"),
    deferred("has the number of a CPF or a CNPJ, and {column} has a phone: exchange the two cells"),
    deferred("is {error}, an error of the spreadsheet"),
    deferred("is {word}, which a program writes for a missing value"),
    deferred("is a placeholder that no value has replaced"),
    deferred("is the text of a formula: put the result of the formula in its place"),
    deferred("is {word}, punctuation in place of a value"),
    deferred("is {number}, the number of a date ({date}): format the column as a date"),
    deferred("is {word}, which a spreadsheet writes for yes or no: write the word that people shall read"),
    deferred("has {date}, a date that is in no calendar: correct it"),
    deferred("is {word}, which is no date: correct it"),
    deferred("is a number, which is no name: correct it"),
    deferred("is an address of e-mail, which is no name: correct it"),
    deferred(
        "is {word}, but nearly all other cells of the column are amounts with a currency or a percent sign: correct it"
    ),
    deferred("is {word}, but nearly all other cells of the column are dates with day, month and year: correct it"),
    deferred("is {word}, but nearly all other cells of the column are months: correct it"),
    deferred("is {word}, but nearly all other cells of the column are numbers with decimals: correct it"),
    deferred("is {word}, but nearly all other cells of the column are numbers: correct it"),
    deferred("is {word}, but nearly all other cells of the column are times of day: correct it"),
    deferred("is {word}, which is no amount: correct it"),
    deferred("is {word}, which may be the number of a date: write it like the other amounts, or correct it"),
    deferred("is a date with a time that a program has added, such as 00:00:00: keep the date only"),
    deferred("has ? in place of a currency: {problem}"),
    deferred("has {sign} in place of a letter: {problem}"),
    deferred("has an invisible character in place of a letter, {problem}"),
    deferred("has {sign} in place of a letter, {problem}"),
    deferred(
        "because the list was read in the encoding of another system, so other rows may be wrong, too: export the whole"
        " list again as XLSX or CSV UTF-8 from the program that wrote it"
    ),
    deferred("has {wrong} in place of {right}, a wrong encoding: {problem}"),
    deferred("correct the cell, or export the list again as XLSX or CSV UTF-8 from the program that wrote it"),
    deferred("makes the message longer than {count} characters"),
    deferred("does not say whether the person wants messages"),
    deferred("says that the person wants no messages"),
    deferred("stands in a row with a comment that says that the person wants no messages"),
    deferred("stands in a row that is marked by another colour than most rows"),
    deferred("stands below row {row}, which says that people want no messages"),
    deferred(
        "was shortened by Excel to a number with an E, so digits are lost: format the column as text and fill it again"
    ),
    deferred("in {sheet}!{cell} {problem}"),
)
# What older versions have stored.
OLD_FORMS = (
    deferred("has no area code (DDD)"),
    deferred(
        "is not a valid phone number in {region}: write a phone of another country with + and its country code, or"
        " choose another country for all phones of the list"
    ),
    deferred(
        "is not a valid phone number in {region}: write a phone of another country with + and its country code (a"
        " spreadsheet keeps the + behind an apostrophe), or choose another country for all phones of the list"
    ),
    deferred(
        "is not a valid phone number in {region}: phones elsewhere need + and the country code, or another region"
        " for the whole list"
    ),
)
# The errors of Excel that have another name in Excel in another language. A workbook has the English name.
ERRORS = (deferred("#N/A"), deferred("#NAME?"), deferred("#NULL!"), deferred("#NUM!"), deferred("#VALUE!"))
# The problems of a number format.
FORMATS = (
    deferred("which depends on the language, and what Excel shows in {language} is not known"),
    deferred("which fills the width of the cell with {text}"),
    deferred("which has a second {text} behind the first"),
    deferred("which has digits between the parts of a date"),
    deferred("which has more than four sections"),
    deferred("which is longer than Excel allows"),
    deferred("which shows more digits than a message takes"),
    deferred("which has no form for this number"),
    deferred("which has [{text}] in it"),
    deferred("which has {text} in it, a part of another calendar"),
    deferred("which is another one on each computer"),
    deferred("which names the language, calendar or digits {text}, which are not supported"),
    deferred("which shows AM or PM, and what Excel writes for them in {language} is not known"),
    deferred("which shows a date or a time, and the value of the cell is negative"),
    deferred("which shows a date, and the value of the cell is beyond the year 9999"),
    deferred("which shows a date, and the value of the cell is no date"),
    deferred("which shows a fraction in an unusual form"),
    deferred("which shows negative numbers by a condition"),
)
_TOKEN = deferred(
    "REVOADA_SECRET_KEY does not have the key that encrypted this access token: add the old key behind the newest one,"
    " or give the token again with {change}."
)
# The reasons in events of an account: GraphError and TokenError.
ANSWERS = (
    deferred("No answer: {problem}"),
    deferred("Request failed with status code {status} (code {code})"),
    deferred("Request failed with status code {status}"),
    deferred("The answer is not a JSON object"),
    deferred("deactivated by a person"),
    deferred("the host of the address was not found"),
    _TOKEN,
)


# The columns without a name. Their reasons tell them from columns with such a name.
_NAMELESS = re.compile(r"column ([0-9]+)")
_NAMELESS_REASONS = frozenset({
    "is not in the header", "has no name in the header (is the cell of its name merged?)",
})  # fmt: skip
_COLUMN = deferred("column {number}")


def translate_column(column: str, reason: str, language: Language) -> str:
    """Return the name of the column of a rejected row; a column without a name has its number in words."""
    found = _NAMELESS.fullmatch(column)
    if not found or reason not in _NAMELESS_REASONS:
        return column
    return Sentence(_COLUMN, number=found[1]).fill(quote, language)


def translate_reason(reason: str, language: Language, write: Writer = quote) -> str:
    """Return a reason in a language. A reason of an unknown form stays as it is. `write`: as in `Sentence.fill`."""
    form = find_form(reason)
    if form is None:
        return reason
    text, values = form
    if "error" in values:
        values["error"] = translate_error(values["error"], language)
    if "problem" in values:
        values["problem"] = translate_reason(values["problem"], language, write)
    if text == _TOKEN:  # the stored text has the hint in words
        change = Hint(HintAction.CHANGE_ACCOUNT, entry=Entry(Field.TOKEN))
        return Sentence(text, change=change).fill(write, language)
    return Sentence(text, **values).fill(write, language)


def translate_error(text: str, language: Language) -> str:
    """Return the name of an error of Excel as Excel writes it in a language; another text as it is."""
    return language.translate(text) if text in ERRORS else text


def find_form(reason: str) -> tuple[str, dict[str, str]] | None:
    """Return the first form that fits a reason, with the values of its places."""
    for text, pattern in _patterns():
        if match := pattern.fullmatch(reason):
            return text, match.groupdict()
    return None


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    texts = (*FORMS, *OLD_FORMS, *FORMATS, *ANSWERS, SAID_NO)
    return tuple((text, re.compile("".join(_list_parts(text)), re.DOTALL)) for text in texts)


def _list_parts(text: str) -> Iterator[str]:
    for literal, name, _spec, _conversion in Formatter().parse(text):
        yield re.escape(literal)
        if name is not None:
            yield f"(?P<{name}>.*?)"
