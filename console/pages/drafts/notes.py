"""The warnings about a draft that a person confirms one by one, those about wrong phones in a box of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from campaigns.domain.statement import Count, Finding
from campaigns.management.drafts.import_warnings import WRONG_PHONES
from console.texts import _, advise, number, plural, say


@dataclass(frozen=True, slots=True)
class Doubt:
    """A warning that the phones are probably wrong. `confirmation`: the words with which a person takes them anyway."""

    code: str
    text: Markup
    advice: Markup
    confirmation: str


def list_doubts(warnings: Sequence[Finding]) -> list[Doubt]:
    """Return the warnings about wrong phones."""
    return [_doubt(each) for each in warnings if each.code in WRONG_PHONES]


def list_others(warnings: Sequence[Finding]) -> list[Finding]:
    """Return the warnings that are not about wrong phones."""
    return [each for each in warnings if each.code not in WRONG_PHONES]


def shorten(warning: Finding) -> str:
    """Return a warning in few words, for the label of its box."""
    write = _SHORT.get(warning.code)
    return say(warning).striptags() if write is None else write(warning)


def _doubt(warning: Finding) -> Doubt:
    if warning.code == "phones_are_landlines":
        count = warning.values["landlines"]
        words = _("I want to send to these %(count)s landlines.", count=number(count))
    elif warning.code == "mobiles_lack_a_digit":
        words = _("I have compared these phones with their source: no digit is missing.")
    else:
        column = warning.values.get("chosen") or warning.values["column"]
        words = _(
            "I have looked at the cells of the column “%(column)s”: they are the phones of these people.", column=column
        )
    return Doubt(warning.code, say(warning), advise(warning), words)


def _count(value: object) -> int:
    return value.number if isinstance(value, Count) else 0


_SHORT: dict[str, Callable[[Finding], str]] = {
    "columns_by_order": lambda _warning: _("columns that only their order chose"),
    "columns_exchanged": lambda _warning: _("columns that seem to be exchanged"),
    "headings_exchanged": lambda warning: _(
        "names that seem to be exchanged: %(one)s and %(other)s",
        one=warning.values["column"],
        other=warning.values["other_column"],
    ),
    "encoding_doubtful": lambda _warning: _("letters that look wrong"),
    "phones_lack_country_code": lambda warning: plural(
        "%(count)s phone without its country code",
        "%(count)s phones without their country code",
        _count(warning.values["rows"]),
    ),
    "values_of_other_kind": lambda warning: _(
        "values of another kind than the text has, in %(column)s", column=warning.values["column"]
    ),
    "values_dragged": lambda warning: _(
        "values that change by the same step from row to row, in %(column)s", column=warning.values["column"]
    ),
    "notes_unclear": lambda warning: _("notes that may be refusals, in %(column)s", column=warning.values["column"]),
    "values_doubled": lambda _warning: _("values that repeat a word of the text"),
    "letters_misread": lambda _warning: _("letters that a program has misread"),
    "people_unwilling": lambda warning: plural(
        "%(count)s row that wants no messages",
        "%(count)s rows that want no messages",
        _count(warning.values["rows"]),
    ),
    "other_values": lambda warning: plural(
        "%(count)s person with other values", "%(count)s people with other values", _count(warning.values["people"])
    ),
    "zones_never_open": lambda warning: plural(
        "%(count)s message that would never leave",
        "%(count)s messages that would never leave",
        _count(warning.values["messages"]),
    ),
    "newer_draft": lambda _warning: _("a newer draft for the same people"),
    "token_refused": lambda _warning: _("an account whose token Meta refuses"),
    "rows_differ": lambda warning: plural(
        "%(count)s row with the phone of another row, but with other values",
        "%(count)s rows with the phone of another row, but with other values",
        _count(warning.values["rows"]),
    ),
    "values_in_other_language": lambda _warning: _("numbers and dates written as in another language"),
    "template_replaced": lambda _warning: _("another template than at first"),
    "template_edited": lambda _warning: _("a template that was edited at Meta"),
    "values_changed": lambda _warning: _("changed texts for everybody"),
    "language_differs": lambda warning: plural(
        "%(count)s person who may speak another language",
        "%(count)s people who may speak another language",
        _count(warning.values["people"]),
    ),
}
