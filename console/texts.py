"""Writes texts for pages, in the language of the person who reads them.

The texts of pages have a catalogue in `console/locale`. Refusals, findings and advice come from `campaigns`, with the
catalogue of `campaigns`. Their hints become links.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo

import flask_babel
from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_datetime, format_skeleton, get_day_names
from babel.lists import format_list
from babel.numbers import format_decimal
from flask import g, request, url_for
from markupsafe import Markup, escape

from campaigns.domain.account import suggest_limit
from campaigns.domain.campaign import CampaignStatus
from campaigns.domain.message import Status
from campaigns.domain.optout.recognition import Source
from campaigns.domain.pacing import Reason
from campaigns.domain.prices.costs import CountryEstimate, Estimate
from campaigns.domain.statement import (
    Entry,
    Field,
    Finding,
    Hint,
    HintAction,
    Joiner,
    Language,
    Money,
    Problem,
    Sentence,
    Writer,
)
from campaigns.domain.template import MediaKind
from campaigns.domain.text.reasons import translate_reason
from campaigns.domain.users.rights import Role
from campaigns.domain.verdict import Retry
from campaigns.language import load, round_up
from campaigns.management.listings.recipients import Group
from campaigns.management.retries import ALL_NAME
from console.hints import ACCOUNT_ACTS, ACTIONS, CHOICES, FIELDS, PAGES, PLACES, STEPS

ENGLISH, PORTUGUESE = LANGUAGES = ("en", "pt_BR")
_PATTERNS = {ENGLISH: "yyyy-MM-dd HH:mm", PORTUGUESE: "dd/MM/yyyy HH:mm"}
_DAY_PATTERNS = {ENGLISH: "yyyy-MM-dd", PORTUGUESE: "dd/MM/yyyy"}
_TIME_PATTERN = "HH:mm:ss"
# Private characters around the number of a hint: a text is escaped for HTML before its hints become links.
_OPENS, _CLOSES = "\ue000", "\ue001"
_WHOLE_TENTHS = 1000
_SHOWN_COUNTRIES = 10


def language() -> str:
    return str(flask_babel.get_locale())


def _(text: str, /, **values: object) -> str:
    """Return a text of a page in the language of its reader. A place in the text is written `%(name)s`."""
    return str(flask_babel.gettext(text, **values))


def plural(one: str, many: str, count: float, /, **values: object) -> str:
    """Return the form of a text for a number, which is also the value of the place `%(count)s`."""
    return str(flask_babel.ngettext(one, many, math.ceil(count), count=number(count), **values))


def number(value: float) -> str:
    return _format_number(value, language())


@lru_cache(maxsize=4096)  # live numbers are written each second for all watched campaigns, and most have not changed
def _format_number(value: float, language: str) -> str:
    return str(format_decimal(value, locale=language))


def list_words(words: list[str]) -> str:
    """Return several words or names as a sentence lists them, such as `a, b, and c`."""
    return str(format_list(words, locale=language()))


def typed_number(text: str) -> float | None:
    """Return the number that a person typed, with a comma or a point before its decimals; None if it is no number."""
    return float(text.replace(",", ".")) if _NUMBER.fullmatch(text) else None


def has_thousands(text: str) -> bool:
    """Tell whether a typed number may have points or commas between its thousands, such as 1.800 and 12,500."""
    return bool(_THOUSANDS.fullmatch(text))


_NUMBER = re.compile(r"[0-9]+([.,][0-9]+)?")
_THOUSANDS = re.compile(r"[1-9][0-9]{0,2}([.,][0-9]{3})+")


def size(byte_count: int) -> str:
    """Return the size of a file in kB or MB."""
    unit, name = (1_000_000, "MB") if byte_count >= 1_000_000 else (1_000, "kB")  # noqa: PLR2004
    return f"{flask_babel.format_decimal(max(round(byte_count / unit, 1), 0.1))} {name}"


def seconds_apart(seconds: float) -> str:
    """Return the interval of a campaign in words."""
    return plural("%(count)s second between two messages", "%(count)s seconds between two messages", seconds)


def percent(part: int, whole: int) -> str:
    """Return the percentage of a part, "" if the whole is 0.

    It is 0 % only if the part is 0, and 100 % only if the part is the whole.
    """
    if not whole:
        return ""
    tenths = (2000 * part + whole) // (2 * whole)
    if part and tenths == 0:
        return "< " + _("%(number)s %%", number=number(0.1))
    if part < whole and tenths >= _WHOLE_TENTHS:
        return "> " + _("%(number)s %%", number=number(99.9))
    return _("%(number)s %%", number=number(tenths / 10))


def local_time(at: dt.datetime | None, time_zone: str) -> str:
    """Return a time as the clocks of a zone show it; "" for no time."""
    if at is None:
        return ""
    return str(format_datetime(at.astimezone(ZoneInfo(time_zone)), _PATTERNS[language()], locale=language()))


def week_time(at: dt.datetime, time_zone: str) -> str:
    """Return a time with the short name of its day of the week, as the clocks of a zone show it."""
    day = at.astimezone(ZoneInfo(time_zone)).isoweekday()
    return f"{weekday(day)} {local_time(at, time_zone)}"


def clock_time(at: dt.datetime, time_zone: str) -> str:
    """Return the time of the day, with seconds, as the clocks of a zone show it."""
    return str(format_datetime(at.astimezone(ZoneInfo(time_zone)), _TIME_PATTERN, locale=language()))


def say(sentence: Sentence) -> Markup:
    """Return a sentence of `campaigns` as HTML. Its hints are links where the console has a page for them."""
    return _link(sentence.fill)


def advise(finding: Finding) -> Markup:
    """Return what a person can do about a finding, as HTML."""
    return _link(finding.fill_advice)


def _link(fill: Callable[[Writer, Language, Joiner], str]) -> Markup:
    """Return a text as HTML. `fill`: fills in the values, and calls the given function for each hint in the text."""
    hints: list[Markup] = []

    def keep(value: Hint | Entry | Problem) -> str:
        hints.append(escape(word(value)) if isinstance(value, Problem) else _write(value))
        return f"{_OPENS}{len(hints) - 1}{_CLOSES}"

    text = str(escape(fill(keep, load(language()), list_words)))
    for index, hint in enumerate(hints):
        text = text.replace(f"{_OPENS}{index}{_CLOSES}", str(hint))
    return Markup(text)  # noqa: S704  the text is escaped, and so is each hint


def advise_activation(account: str) -> Markup:
    """Return how an account that a person has deactivated sends again, as HTML."""
    return say(Sentence("To let it send again: {activate}.", activate=Hint(HintAction.ACTIVATE_ACCOUNT, account)))


def local_day(day: dt.date) -> str:
    """Return a day as the language writes it."""
    return str(format_date(day, _DAY_PATTERNS[language()], locale=language()))


def month_name(day: dt.date) -> str:
    """Return the month of a day with its year, such as `November 2026`."""
    return str(format_skeleton("yMMMM", day, locale=language()))


def country_name(code: str) -> str:
    """Return the name of a country. `code`: two letters of ISO 3166; "" for an unknown country."""
    if not code:
        return _("unknown country")
    return str(Locale.parse(language()).territories.get(code, code))


def money(amount: Decimal, currency: str, *, is_price: bool = False) -> str:
    """Return an amount such as `$62.50`. `is_price`: with all its decimals, as the price of one message has them."""
    return load(language()).format(Money(amount, currency, is_price=is_price), "")


def mask_digits(text: str) -> str:
    """Return a cell with its phone masked, for people who may not see phones.

    A text with fewer than 8 digits stays, and so does a date or an amount with its currency.
    """
    if sum(map(str.isdigit, text)) < _PHONE_DIGITS or _NO_PHONE.fullmatch(text.strip()):
        return text
    end = [place for place, each in enumerate(text) if each.isdigit()][-2]
    return "".join("•" if each.isdigit() and place < end else each for place, each in enumerate(text))


_PHONE_DIGITS = 8
_NO_PHONE = re.compile(
    r"(?:(?:0?[1-9]|[12]\d|3[01])([/.-])(?:0?[1-9]|[12]\d|3[01])\1(?:19|20)\d\d"
    r"|(?:19|20)\d\d([/.-])(?:0?[1-9]|1[0-2])\2(?:0?[1-9]|[12]\d|3[01]))(?:[ T]\d{1,2}:\d\d(?::\d\d)?)?"
    r"|(?:[A-Z]{0,3}[$€£]|BRL|USD|EUR) ?[\d.,' ]+"
)


def word(value: str) -> str:
    """Return a text of `campaigns` that is no sentence, such as the meaning of an error."""
    return load(language()).translate(value)


def explain_row(reason: str) -> str:
    """Return why a row of a list was rejected, as the import stored it."""
    return translate_reason(reason, load(language()))


def style(text: str) -> Markup:
    """Return a text of a message as HTML, with the bold, italic, struck and code parts that WhatsApp shows.

    WhatsApp reads `*bold*`, `_italic_`, `~struck~`, `` `code` `` and code between three backticks. A mark counts only
    at the edge of words, and only code of three backticks goes over several lines.
    """
    parts, at = [], 0
    for match in _STYLE.finditer(text):
        kind = match.lastgroup or ""
        inner = match[kind]
        parts += [escape(text[at : match.start()]), _tag(kind, inner)]
        at = match.end()
    return Markup().join([*parts, escape(text[at:])])


def mark_value(value: str, column: str | None) -> str:
    """Return a value of a message with marks around it that `show_marks` turns into HTML. See `page_people`."""
    source = _("for everybody") if column == "" else column or ""
    return f"{_VALUE}{value}{_SOURCE}{source}{_END}"


def show_marks(text: str) -> Markup:
    """Return a text as HTML in which each value has a mark, and the column that gave it stands in brackets."""
    return Markup(_MARKED.sub(_show_mark, str(escape(text))))  # noqa: S704  the text is escaped


def _show_mark(match: re.Match[str]) -> str:
    source = f" <small>[{match[2]}]</small>" if match[2] else ""
    return f"<mark>{match[1]}{source}</mark>"


# Private characters before a value, between the value and its column, and behind the column.
_VALUE, _SOURCE, _END = "\ue010", "\ue011", "\ue012"
_MARKED = re.compile(f"{_VALUE}([^{_END}]*){_SOURCE}([^{_END}]*){_END}")


def _tag(kind: str, inner: str) -> Markup:
    if kind in {"block", "code"}:
        return Markup("<code>{}</code>").format(inner.strip("\n"))
    return Markup(f"<{kind}>{{}}</{kind}>").format(style(inner))  # noqa: S704  the kind is a name of `_STYLE`


def media_word(kind: str) -> str:
    return _MEDIA_WORDS[MediaKind(kind)]()


def fault_words(fault: str) -> str:
    """Return the cause of a group of errors."""
    return _FAULT_WORDS[fault]()


def status_word(status: str) -> str:
    return _STATUS_WORDS[CampaignStatus(status)]()


def weekday(number: int) -> str:
    """Return the short name of a day of the week. 1 is Monday."""
    return str(get_day_names("abbreviated", locale=language())[number - 1])


def language_name(code: str) -> str:
    """Return the name of a template's language, such as `Portuguese (Brazil)`; the code if it has no name."""
    try:
        return str(Locale.parse(code).get_display_name(language()) or code)
    except (UnknownLocaleError, ValueError):
        return code


def category_word(category: str) -> str:
    """Return the category of a template or of a price; Meta's word if it is a new one."""
    category = category.upper()
    return _CATEGORY_WORDS[category]() if category in _CATEGORY_WORDS else category.lower()


def reported_category(category: str) -> str:
    """Return the category of messages; "" means that Meta has not reported it."""
    return category_word(category) if category else _("not reported yet")


def quality_word(quality: str) -> str:
    """Return the quality of a template at Meta; Meta's word if it is a new one."""
    return _QUALITY_WORDS[quality]() if quality in _QUALITY_WORDS else quality.lower()


def limit_words(tier: str) -> str:
    """Return Meta's limit of people in 24 hours; Meta's word if it is a new one, "" if Meta has named none."""
    limit = suggest_limit(tier)
    if limit is not None:
        return plural("%(count)s person in 24 hours", "%(count)s people in 24 hours", limit)
    return _("no limit") if tier == "TIER_UNLIMITED" else tier


def event_word(kind: str) -> str:
    """Return what happened to an account."""
    return _EVENT_WORDS[kind]()


def interval_words(seconds: int) -> str:
    """Return the length of an interval of a chart."""
    if seconds >= _DAY_SECONDS:
        return plural("%(count)s day", "%(count)s days", seconds // _DAY_SECONDS)
    if seconds >= _HOUR_SECONDS:
        return plural("%(count)s hour", "%(count)s hours", seconds // _HOUR_SECONDS)
    return plural("%(count)s minute", "%(count)s minutes", seconds // 60)


_HOUR_SECONDS, _DAY_SECONDS = 3600, 86_400


def duration_words(seconds: float) -> str:
    """Return a length of time in one unit, such as `90 seconds` or `2.5 hours`."""
    if seconds < 2 * 60:
        return plural("%(count)s second", "%(count)s seconds", round(seconds))
    if seconds < 2 * _HOUR_SECONDS:
        return plural("%(count)s minute", "%(count)s minutes", round(seconds / 60, 1))
    if seconds < 2 * _DAY_SECONDS:
        return plural("%(count)s hour", "%(count)s hours", round(seconds / _HOUR_SECONDS, 1))
    return plural("%(count)s day", "%(count)s days", round(seconds / _DAY_SECONDS, 1))


def message_word(status: str, campaign_status: str = "") -> str:
    """Return the status of one message. `campaign_status`: the status of its campaign, where it matters."""
    if status == Status.PENDING and campaign_status in _WAITING_WORDS:
        return _WAITING_WORDS[CampaignStatus(campaign_status)]()
    return _MESSAGE_WORDS[Status(status)]()


def group_words(group: str) -> str:
    """Return which people of a campaign a group has."""
    return _GROUP_WORDS[Group(group)]()


def most_amounts(estimate: Estimate | CountryEstimate) -> str:
    """Return the most that messages cost, such as `$62.50`; amounts of several currencies stand beside each other."""
    return amounts_words(map(round_up, estimate.amounts))


def amounts_words(amounts: Iterable[Money]) -> str:
    """Return amounts, such as `$62.50`; those of several currencies stand beside each other."""
    return " + ".join(load(language()).format(each, "") for each in amounts)


def unpriced_words(estimate: Estimate) -> str:
    """Return the words that follow the number of messages without a price."""
    countries = [each or _("an unknown country") for each in estimate.unpriced]
    more = ["…"] if len(countries) > _SHOWN_COUNTRIES else []
    return _(
        "of these have no price, and are not in this amount: %(countries)s",
        countries=", ".join([*countries[:_SHOWN_COUNTRIES], *more]),
    )


def blocked_words(count: int) -> str:
    """Return what is true of people whom no message of any campaign reaches, without their number."""
    return plural(
        "has opted out or is on the list of people who get no messages",
        "have opted out or are on the list of people who get no messages",
        count,
    )


def capped_words(count: int, most: int, within_days: int) -> str:
    """Return what is true of people whom the limit per person holds back, without their number."""
    return plural(
        "is skipped as things stand, because of the limit per person (%(messages)s in %(days)s)",
        "are skipped as things stand, because of the limit per person (%(messages)s in %(days)s)",
        count,
        messages=plural("%(count)s message", "%(count)s messages", most),
        days=plural("%(count)s day", "%(count)s days", within_days),
    )


def duplicate_words(count: int) -> str:
    """Return what is true of rows of people who stand in another row, without their number."""
    return plural(
        "row of a person who is in another row; each person gets one message",
        "rows of people who are in another row; each person gets one message",
        count,
    )


def rejected_words(count: int) -> str:
    """Return what is true of rejected rows, without their number."""
    return plural(
        "row of the list was rejected, because the phone or a value is not valid",
        "rows of the list were rejected, because the phone or a value is not valid",
        count,
    )


def refused_words(count: int) -> str:
    """Return what is true of rows that say no, without their number."""
    return plural(
        "row of the list was left out, because it says that the person wants no messages",
        "rows of the list were left out, because they say that the person wants no messages",
        count,
    )


def unanswered_words(count: int) -> str:
    """Return what is true of rows without an answer about messages, without their number."""
    return plural(
        "row of the list was left out, because it does not say whether the person wants messages",
        "rows of the list were left out, because they do not say whether the person wants messages",
        count,
    )


def marked_words(count: int) -> str:
    """Return what is true of rows that were left out because of their colour, without their number."""
    return plural(
        "row of the list was left out, because a colour marks it",
        "rows of the list were left out, because a colour marks them",
        count,
    )


def unexplained_words(count: int) -> str:
    """Return what is true of rejected rows whose reason is no longer stored, without their number."""
    return plural("row of the list was rejected", "rows of the list were rejected", count)


def hidden_words(count: int) -> str:
    """Return what is true of hidden rows that were not read, without their number."""
    return plural("hidden row of the list was left out", "hidden rows of the list were left out", count)


def source_words(source: str) -> str:
    """Return how a person has opted out."""
    return _SOURCE_WORDS[Source(source)]()


def retry_words(name: str) -> str:
    """Return which failed messages a class of a retry has."""
    return _RETRY_WORDS[name]()


def role_labels() -> dict[str, str]:
    """Return the name of each role."""
    return {
        Role.VIEWER: _("viewer"),
        Role.PLANNER: _("planner"),
        Role.OPERATOR: _("operator"),
        Role.ADMIN: _("admin"),
    }


def role_notes() -> dict[str, str]:
    """Return what each role may do."""
    return {
        Role.VIEWER: _("sees everything, with masked phones, and changes nothing"),
        Role.PLANNER: _("also makes drafts and asks for approval, but starts nothing"),
        Role.OPERATOR: _("also starts, pauses and cancels campaigns, changes opt-outs, and sees and downloads phones"),
        Role.ADMIN: _("also changes accounts, prices and users, and erases people"),
    }


def reason_words(reason: str) -> str:
    return _REASON_WORDS[Reason(reason)]()


# The parts of a text that WhatsApp shows in another style, by the name of their HTML element.
_STYLE = re.compile(
    r"```(?P<block>[\s\S]+?)```"
    r"|`(?P<code>[^`\n]+)`"
    r"|(?<![^\W_])\*(?P<strong>[^\s*](?:[^*\n]*[^\s*])?)\*(?![^\W_])"
    r"|(?<![^\W_])_(?P<em>[^\s_](?:[^_\n]*[^\s_])?)_(?![^\W_])"
    r"|(?<![^\W_])~(?P<s>[^\s~](?:[^~\n]*[^\s~])?)~(?![^\W_])"
)
_MEDIA_WORDS = {
    MediaKind.IMAGE: lambda: _("Picture"),
    MediaKind.VIDEO: lambda: _("Video"),
    MediaKind.DOCUMENT: lambda: _("Document"),
}
_STATUS_WORDS = {
    CampaignStatus.DRAFT: lambda: _("draft"),
    CampaignStatus.PENDING: lambda: _("about to start"),
    CampaignStatus.SCHEDULED: lambda: _("scheduled"),
    CampaignStatus.RUNNING: lambda: _("running"),
    CampaignStatus.PAUSED: lambda: _("paused"),
    CampaignStatus.COMPLETED: lambda: _("completed"),
    CampaignStatus.CANCELLED: lambda: _("cancelled"),
}
_CATEGORY_WORDS = {
    "MARKETING": lambda: _("marketing"),
    "UTILITY": lambda: _("utility"),
    "AUTHENTICATION": lambda: _("authentication"),
    "AUTHENTICATION_INTERNATIONAL": lambda: _("international authentication"),
    "SERVICE": lambda: _("service"),
    "MARKETING_LITE": lambda: _("marketing lite"),
}
_QUALITY_WORDS = {
    "GREEN": lambda: _("high quality"),
    "YELLOW": lambda: _("medium quality"),
    "RED": lambda: _("low quality"),
}
_EVENT_WORDS = {
    "created": lambda: _("added"),
    "deactivated": lambda: _("became inactive"),
    "activated": lambda: _("activated"),
    "blocked": lambda: _("began to rest"),
    "health_worse": lambda: _("health got worse"),
    "health_better": lambda: _("health got better"),
    "health_failed": lambda: _("health could not be read"),
    "reported": lambda: _("Meta reported something"),
    "category_deactivated": lambda: _("stopped one category of templates"),
}
_MESSAGE_WORDS = {
    Status.SUPPRESSED: lambda: _("not sent on purpose"),
    Status.CANCELLED: lambda: _("not sent: the campaign was cancelled"),
    Status.EXPIRED: lambda: _("not sent: the campaign expired"),
    Status.PENDING: lambda: _("in our queue"),
    Status.SENDING: lambda: _("is being sent"),
    Status.UNCERTAIN: lambda: _("uncertain whether it was sent"),
    Status.HELD: lambda: _("is held by Meta"),
    Status.SENT: lambda: _("with WhatsApp, no receipt yet"),
    Status.FAILED: lambda: _("was not delivered"),
    Status.DELIVERED: lambda: _("was delivered, not read yet"),
    Status.READ: lambda: _("was read"),
}
# A pending message of a campaign that does not send.
_WAITING_WORDS = {
    CampaignStatus.DRAFT: lambda: _("not sent: the campaign is a draft that was never started"),
    CampaignStatus.PAUSED: lambda: _("in our queue: the campaign is paused"),
    CampaignStatus.CANCELLED: _MESSAGE_WORDS[Status.CANCELLED],
}
_GROUP_WORDS = {
    Group.LIST: lambda: _("all people on the list"),
    Group.SKIPPED: lambda: _("not sent on purpose"),
    Group.SUPPRESSED: lambda: _("not sent: opt-out, limit per person, answer to review or conditions"),
    Group.OPTED_OUT: lambda: _("not sent: opt-out"),
    Group.CAPPED: lambda: _("not sent: limit of messages per person"),
    Group.IN_REVIEW: lambda: _("not sent: an answer waits for a review"),
    Group.LEFT_AUDIENCE: lambda: _("not sent: the person no longer fits the conditions"),
    Group.EXPIRED: lambda: _("not sent: the campaign expired"),
    Group.CANCELLED: lambda: _("not sent: the campaign was cancelled"),
    Group.QUEUE: lambda: _("in our queue"),
    Group.SENDING: lambda: _("being sent now"),
    Group.ACCEPTED: lambda: _("sent: WhatsApp has the message"),
    Group.SENT: lambda: _("sent, no receipt yet"),
    Group.HELD: lambda: _("held by Meta"),
    Group.DELIVERED: lambda: _("delivered"),
    Group.UNREAD: lambda: _("delivered, not read"),
    Group.READ: lambda: _("read"),
    Group.REPLIED: lambda: _("replied"),
    Group.FAILED: lambda: _("failed"),
    Group.UNCERTAIN: lambda: _("uncertain whether it was sent"),
}
_SOURCE_WORDS = {
    Source.WORD: lambda: _("wrote that they want no messages"),
    Source.BUTTON: lambda: _("tapped a button that stops messages"),
    Source.META: lambda: _("stopped marketing messages in WhatsApp"),
    Source.MANUAL: lambda: _("entered by hand"),
    Source.IMPORT: lambda: _("from a file"),
}
_REASON_WORDS = {
    Reason.INTERVAL: lambda: _("waits for the interval between two messages"),
    Reason.PAUSE: lambda: _("takes the pause of its pace"),
    Reason.WINDOW: lambda: _("waits for its sending hours"),
    Reason.RETRY: lambda: _("waits before it tries failed messages again"),
    Reason.THROTTLED: lambda: _("is slowed down by WhatsApp's limits"),
    Reason.UNREACHABLE: lambda: _("waits because WhatsApp does not answer"),
    Reason.NO_ACTIVE_ACCOUNT: lambda: _("waits for an active account"),
    Reason.TEMPLATE: lambda: _("waits for its template"),
    Reason.DAILY_LIMIT: lambda: _("waits for the daily limit of its accounts"),
    Reason.IDLE: lambda: _("waits for the next message of a program"),
}


_RETRY_WORDS: dict[str, Callable[[], str]] = {
    Retry.THROTTLED: lambda: _("limits of WhatsApp"),
    Retry.SERVER: lambda: _("faults at Meta or in our network"),
    Retry.RECIPIENT_LATER: lambda: _("withheld by Meta for now"),
    Retry.REPAIRED: lambda: _("faults of an account or a template that you have put right"),
    ALL_NAME: lambda: _("all that may be sent again"),
}
_FAULT_WORDS = {
    "recipient": lambda: _("The person cannot get the message"),
    "us": lambda: _("The list or Revoada"),
    "template": lambda: _("The template"),
    "account": lambda: _("The account"),
    "throttle": lambda: _("Limits of WhatsApp"),
    "meta": lambda: _("A fault at Meta"),
    "unknown": lambda: _("Unknown"),
}


def _write(value: Hint | Entry) -> Markup:
    if isinstance(value, Entry):
        return _link_to(_find_place(value), _write_entry(value))
    if value.entry is not None and value.action.noun == "campaign" and (place := _find_place(value.entry)):
        return _link_to(place, _write_entry(value.entry))
    words = _(ACTIONS[value.action])
    if value.target != "":
        words = f"{words} {value.target}"
    if value.entry is not None:
        words = f"{words}: {_write_entry(value.entry)}"
    if (step := STEPS.get(value.action)) is not None and (draft_id := g.get("draft_id")) is not None:
        # Without a file, the person corrects the list before, and uploads it.
        step = "draft_list" if value.action is HintAction.REPLACE_RECIPIENTS and not value.file else step
        return _link_to(url_for(step, campaign_id=draft_id), words)
    endpoint = PAGES.get(value.action)
    if endpoint is None or (value.action.noun and value.target == ""):
        return _mark(words)
    target: dict[str, object] = {}
    if value.action.noun == "campaign":
        target = {"campaign_id": value.target}
        if value.action is HintAction.RETRY_CAMPAIGN and value.entry is not None:
            target["class"] = value.entry.value or None
    elif value.action.noun == "account":
        is_token = value.entry is not None and value.entry.field is Field.TOKEN
        target = {"name": value.target, "act": "token" if is_token else ACCOUNT_ACTS.get(value.action)}
    return _link_to(url_for(endpoint, **target), words)  # type: ignore[arg-type]


def _find_place(entry: Entry) -> str:
    """Return the address of the field of an entry on the pages of the draft of this request; "" if there is none."""
    place, draft_id = PLACES.get(entry.field), g.get("draft_id")
    if place is None or draft_id is None:
        return ""
    endpoint, anchor = place
    # The step Columns shows the choice of such a link as made, and with it the choices of the links before.
    given = {**request.args} if request.endpoint == endpoint else {}
    if endpoint == "draft_columns" and isinstance(entry.value, str) and entry.value:
        given[anchor] = entry.value
    return url_for(endpoint, campaign_id=draft_id, _anchor=anchor, **given)  # type: ignore[arg-type]


def _link_to(address: str, words: str) -> Markup:
    return Markup('<a href="{}">{}</a>').format(address, words) if address else _mark(words)


def _mark(words: str) -> Markup:
    return Markup("<q>{}</q>").format(words)


def _write_entry(entry: Entry) -> str:
    words = _(FIELDS[entry.field])
    if entry.value is None:
        return _("leave “%(field)s” empty", field=words)
    value = str(entry.value)
    if entry.field in {Field.SCHEDULE_AT, Field.EXPIRE_AT} and value:
        value = _write_typed_time(value)
    if (choice := CHOICES.get((entry.field, value))) is not None:
        value = _(choice)
    if entry.field is Field.COLUMN and "=" in value:
        variable, _sign, column = value.partition("=")
        return _("column %(column)s for %(variable)s", column=column, variable=variable)
    if entry.field is Field.COLUMN and value:
        return _("another column for %(variable)s", variable=value)
    return _("“%(field)s”: %(value)s", field=words, value=value) if value else _("“%(field)s”", field=words)


def _write_typed_time(text: str) -> str:
    """Return a time that a person could type in a command, as the language writes it; another text as it is."""
    try:
        return str(format_datetime(dt.datetime.fromisoformat(text), _PATTERNS[language()], locale=language()))
    except ValueError:
        return text
