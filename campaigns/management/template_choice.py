"""Finds the template that a campaign sends, and warns if it does not suit the people.

Each WABA of the campaign's accounts has a copy of the template. All copies must be equal.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from phonenumbers import country_code_for_region

from campaigns.domain.filling import Filling, ParameterKind, drop_empty, fill, list_parameters
from campaigns.domain.phone.languages import find_languages, find_main_languages, find_region, read_language
from campaigns.domain.phone.regions import REGIONS
from campaigns.domain.statement import (
    Count,
    Entry,
    Field,
    Finding,
    Hint,
    HintAction,
    Kind,
    Refusal,
    Sentence,
    Severity,
    Word,
)
from campaigns.domain.template import (
    Template,
    TemplateError,
    TemplateStatus,
    missing_template,
    template_from_components,
)
from campaigns.domain.text.normal import find_similar
from campaigns.store import accounts, campaigns, templates
from campaigns.store.campaigns import LockedCampaign
from campaigns.store.database import Connection

# Meta sends no template that has one of these statuses, and none of these statuses ends soon by itself. `paused` is not
# in this set, because Meta approves a paused template again.
_NOT_SENT = frozenset(
    {
        TemplateStatus.PENDING,
        TemplateStatus.REJECTED,
        TemplateStatus.DISABLED,
        TemplateStatus.DELETED,
        TemplateStatus.ARCHIVED,
        TemplateStatus.IN_APPEAL,
        TemplateStatus.LIMIT_EXCEEDED,
    }
)


def choose_template(
    connection: Connection, text: str, account_ids: Sequence[int]
) -> tuple[templates.TemplateRow, list[Finding]]:
    """Return the template `name:language` for these accounts, and warnings for an operator.

    If the accounts belong to several WABAs, the template of the first WABA is returned. Without accounts, the newest
    copy of the template is returned; the campaign gets the copy of its accounts when it gets accounts. Raises Refusal.
    """
    rows = {row.waba_id: row for row in find_templates(connection, text, field=Field.TEMPLATE)}
    if not account_ids:
        newest = max(rows.values(), key=lambda row: (row.synced_at or row.created_at, row.id))
        return newest, _judge(newest, text)
    synced = templates.list_synced_wabas(connection)
    chosen: dict[str, templates.TemplateRow] = {}
    warnings: list[Finding] = []
    for account in accounts.list_accounts(connection, account_ids):
        if account.waba_id in chosen:
            continue
        row = find_copy(rows, account.waba_id, synced)
        if row is None:
            raise Refusal(
                "template_missing_in_waba",
                "The template {template} is not known in WABA {waba_id} of account {account}: {sync} reads its"
                " templates.",
                kind=Kind.MISSING,
                template=text,
                waba_id=account.waba_id,
                account=account.name,
                sync=Hint(HintAction.SYNC_TEMPLATES),
            )
        warnings += _judge(row, text)
        chosen[account.waba_id] = row
    first, *others = chosen.values()
    for other in others:
        if read_template(other) != read_template(first):
            raise Refusal(
                "template_differs",
                "The template {template} is not the same in WABA {first} and {other}: make a campaign for each.",
                kind=Kind.CONFLICT,
                template=text,
                first=first.waba_id or Word("any"),
                other=other.waba_id or Word("any"),
            )
    return first, warnings


def find_templates(connection: Connection, text: str, *, field: Field | None = None) -> list[templates.TemplateRow]:
    """Return the rows of the template `name:language` in all WABAs. Raises Refusal if there is none.

    `field`: the field in which a person named the template, so that a refusal proposes values of it.
    """
    name, _, language = text.partition(":")
    if rows := templates.find_templates(connection, name, language):
        return rows
    known = templates.list_names(connection)
    others = [each for each in known if each[0] == name]
    names = find_similar(name, {each for each, _language in known})
    near = [each for each in known if each[0] in names]
    similar = [each for each in near if each[1] == language] or near

    def write(words: Sequence[tuple[str, str]]) -> list[Entry | str]:
        return [word if field is None else Entry(field, word) for word in map(":".join, words)]

    raise missing_template(text, write(others), write(similar))


def find_copy(
    rows: Mapping[str, templates.TemplateRow], waba_id: str, synced: Mapping[str, dt.datetime]
) -> templates.TemplateRow | None:
    """Return the copy of a template that a WABA sends; None if the WABA has none.

    `rows`: all copies of the template, by WABA. `synced`: by WABA, when the list of its templates was last read. A
    template that an operator added for every WABA counts until Meta's list of a WABA does not have it.
    """
    row = rows.get(waba_id) or rows.get("")
    synced_at = synced.get(waba_id)
    if row is not None and row.waba_id == "" and synced_at is not None and synced_at > row.created_at:
        return None
    return row


@dataclass(frozen=True, slots=True)
class Fit:
    """The template of a campaign, the values for all recipients that the template takes, and the filling of both."""

    row: templates.TemplateRow
    filling: Filling
    parameters: Mapping[str, str | None]
    warnings: Sequence[Finding] = ()


def fit_template(
    connection: Connection,
    campaign: LockedCampaign,
    *,
    text: str | None = None,
    account_ids: Sequence[int] | None = None,
    parameters: Mapping[str, str | None] | None = None,
) -> Fit:
    """Return the template that fits a campaign and its recipients after a change.

    `text`: the template `name:language` that replaces the present one. `account_ids`: the accounts after the change. If
    `account_ids` is None, the campaign keeps its template. `parameters`: changed values for all recipients.

    Raises Refusal if there are recipients, and they do not have the values that the template needs.
    """
    row = templates.load_template(connection, campaign.template_id)
    warnings: Sequence[Finding] = ()
    if account_ids is not None:
        row, warnings = choose_template(connection, text or f"{row.name}:{row.language}", account_ids)
    template = read_template(row)
    # Parameters that the new template does not have are dropped.
    taken = {parameter.name for parameter in list_parameters(template)}
    kept = {key: value for key, value in campaign.parameters.items() if key in taken}
    given = drop_empty(template, kept | dict(parameters or {}))
    filling = fill(template, given)
    if campaign.recipient_count:
        _demand_same_values(campaign, _fill_current(connection, campaign), filling)
    return Fit(row, filling, given, warnings)


def _fill_current(connection: Connection, campaign: LockedCampaign) -> Filling | None:
    """Return the present filling of a campaign, or None if the template no longer fits the campaign's columns."""
    try:
        current = fill(read_template(templates.load_template(connection, campaign.template_id)), campaign.parameters)
    except TemplateError:
        return None
    return current if current.names == campaign.columns else None


def _demand_same_values(campaign: LockedCampaign, current: Filling | None, filling: Filling) -> None:
    """Raise Refusal unless a filling takes the values that the recipients have, in the same order."""
    fits = filling.names == campaign.columns
    if current is not None and not fits:
        fits = _differs_in_names_only(current, filling)
    if not fits:
        raise campaign.facts.conflict(
            "recipients_misfit",
            "The recipients of Campaign {id} ({name}) have {brings}, but the template {template} needs {takes} for"
            " each. {create} makes a new campaign with this template.",
            create=Hint(HintAction.CREATE_CAMPAIGN),
            template=str(filling.template),
            brings=_list(campaign.columns),
            takes=_list(filling.names),
        )
    for old, new in zip(() if current is None else current.columns, filling.columns, strict=False):
        if old.prefix != new.prefix:
            raise campaign.facts.conflict(
                "links_differ",
                "The recipients of Campaign {id} ({name}) have the ends of links that begin with {old}, but {button} of"
                " the template {template} begins with {new}: make a new campaign with this template.",
                old=old.prefix,
                new=new.prefix,
                button=new.name,
                template=str(filling.template),
            )


def _differs_in_names_only(current: Filling, filling: Filling) -> bool:
    """Tell whether a filling takes the values of the current filling under other names.

    If a name stands at another place, or if the bodies share only some of their names, then the other values may have
    other meanings.
    """
    if [column.kind for column in current.columns] != [column.kind for column in filling.columns]:
        return False
    if any(filling.names[place] != name for place, name in enumerate(current.names) if name in filling.names):
        return False
    old, new = (
        [column.name for column in one.columns if column.kind is ParameterKind.BODY] for one in (current, filling)
    )
    return old == new or set(old).isdisjoint(new)


def _list(names: Sequence[str]) -> Sentence | Word:
    return Sentence("{count} ({names})", count=Count(len(names), "value"), names=names) if names else Word("no values")


def read_template(row: templates.TemplateRow) -> Template:
    """Return the template of a row. If the template cannot be read, raises TemplateError, which names the template."""
    try:
        return template_from_components(row.name, row.language, row.components)
    except TemplateError as error:
        raise TemplateError(
            error.code,
            "The template {template} cannot be sent: {problem}",
            kind=error.kind,
            template=f"{row.name}:{row.language}",
            problem=error,
        ) from None


def _judge(row: templates.TemplateRow, text: str) -> list[Finding]:
    """Return warnings about the status of a template. Raises Refusal if Meta sends no messages with this status."""
    where = Sentence(" in WABA {waba_id}", waba_id=row.waba_id) if row.waba_id else ""
    if row.status in _NOT_SENT:
        raise Refusal(
            "template_not_sendable",
            "The template {template} is {status}{where}, and a campaign needs an approved one: {sync} asks Meta again.",
            kind=Kind.CONFLICT,
            template=text,
            status=Word(row.status.replace("_", " ")),
            where=where,
            sync=Hint(HintAction.SYNC_TEMPLATES),
        )
    if row.status == TemplateStatus.APPROVED:
        return []
    finding = Finding(
        "template_not_approved",
        Severity.WARNING,
        "The template {template} is {status}{where}: the campaign waits until Meta takes it again.",
        "",
        template=text,
        status=Word(row.status),
        where=where,
    )
    return [finding]


_MANY = 3  # more than a third of the people are many
# The most countries that a warning names.
_MOST_COUNTRIES = 8


def warn_of_language(connection: Connection, campaign_id: int, template: templates.TemplateRow) -> list[Finding]:
    """If the countries of many people speak another language than that of the template, return a warning.

    These are more people than those whose countries speak that of the template, or more than a third of the people with
    one other language.
    """
    counts = campaigns.count_pending_by_prefix(connection, campaign_id)
    language = read_language(template.language)
    languages, countries, foreign = Counter[str](), Counter[str](), Counter[str]()
    speakers = 0
    for prefix, count in counts.items():
        countries[find_region(prefix)] += count
        languages.update(dict.fromkeys(find_main_languages(prefix), count))
        if spoken := find_languages(prefix):
            speakers += count if language in spoken else 0
            foreign[find_region(prefix)] += count if language not in spoken else 0
    most_others = max((count for each, count in languages.items() if each != language), default=0)
    has_more = speakers < max(languages.values(), default=0)
    if not has_more and most_others * _MANY <= sum(counts.values()):
        return _warn_of_variant(connection, campaign_id, template, countries)
    finding = Finding(
        "language_differs",
        Severity.WARNING,
        "The template {template} is in another language than that of the countries of {people} of campaign"
        " {campaign_id}. The phones are those of {countries}."
        if has_more
        else "The template {template} is in the language of the countries of {speakers:,} people of campaign"
        " {campaign_id}, but the countries of {people} have another language. The phones are those of {countries}.",
        _DIVIDE if speakers else "If it is the wrong one, choose another template: {change}.",
        campaign_id=campaign_id,
        template=f"{template.name}:{template.language}",
        people=Count(foreign.total(), "recipient"),
        speakers=speakers,
        countries=[f"{country} {count:,}" for country, count in countries.most_common(_MOST_COUNTRIES) if country],
        change=Hint(HintAction.CHANGE_CAMPAIGN, campaign_id, Entry(Field.TEMPLATE)),
        **_divide(campaign_id, [country for country, count in foreign.most_common(_MOST_COUNTRIES) if count]),
    )
    return [finding]


# How two groups of people get two templates. No command divides a list.
_DIVIDE = (
    "If it is the wrong one, choose another template: {change}. If each group should read its own language: move the"
    " rows of the phones of {codes} into a second file, make a campaign with it and with another template ({create}),"
    " and then read the first file, without these rows, into this draft ({replace})."
)


def _divide(campaign_id: int, countries: Sequence[str]) -> dict[str, Any]:
    """Return the values of `_DIVIDE`. `countries`: those of the people who get the other template."""
    return {
        "codes": [f"{country} (+{country_code_for_region(country)})" for country in countries if country in REGIONS],
        "create": Hint(HintAction.CREATE_CAMPAIGN),
        "replace": Hint(HintAction.REPLACE_RECIPIENTS, campaign_id),
    }


# The country of each kind of Portuguese. English and Spanish differ too little between countries for a warning.
_VARIANTS: Mapping[str, str] = MappingProxyType({"pt_BR": "BR", "pt_PT": "PT"})
_VARIANT_NAMES: Mapping[str, Word] = MappingProxyType({
    "pt_BR": Word("Brazilian Portuguese"),
    "pt_PT": Word("European Portuguese"),
})  # fmt: skip
_COUNTRY_NAMES: Mapping[str, Word] = MappingProxyType({"BR": Word("Brazil"), "PT": Word("Portugal")})


def _warn_of_variant(
    connection: Connection, campaign_id: int, template: templates.TemplateRow, countries: Mapping[str, int]
) -> list[Finding]:
    """If many people are in the country of the other kind of Portuguese, return a warning."""
    own = _VARIANTS.get(template.language)
    if own is None:
        return []
    language, other = next((each, country) for each, country in _VARIANTS.items() if country != own)
    if countries.get(other, 0) * _MANY <= countries.get(other, 0) + countries.get(own, 0):
        return []
    has_better = bool(templates.find_templates(connection, template.name, language))
    finding = Finding(
        "language_differs",
        Severity.WARNING,
        "The template {template} is in {own}, but the phones of {people} of campaign {campaign_id} are of another"
        " country: {other}.",
        _DIVIDE if countries.get(own, 0) else "If it is the wrong one, choose another template: {change}.",
        campaign_id=campaign_id,
        template=f"{template.name}:{template.language}",
        own=_VARIANT_NAMES[template.language],
        other=_COUNTRY_NAMES[other],
        people=Count(countries[other], "recipient"),
        change=Hint(
            HintAction.CHANGE_CAMPAIGN,
            campaign_id,
            Entry(Field.TEMPLATE, f"{template.name}:{language}" if has_better else ""),
        ),
        **_divide(campaign_id, [other]),
    )
    return [finding]
