"""Finds the template that a campaign sends: each WABA of its accounts has its own, and all must be the same."""

from __future__ import annotations

from collections.abc import Sequence

from campaigns.domain.campaign import CampaignError
from campaigns.domain.template import Template, TemplateError, template_from_components
from campaigns.store import accounts, templates
from campaigns.store.database import Connection

# With these Meta sends nothing, and none of them ends by itself soon. A paused template is approved again by itself.
_NOT_SENT = frozenset({"pending", "rejected", "disabled", "deleted", "archived", "in_appeal", "limit_exceeded"})


def choose_template(
    connection: Connection, text: str, account_ids: Sequence[int]
) -> tuple[templates.TemplateRow, list[str]]:
    """Return the template `name:language` that fits these accounts, and warnings for a person.

    Where accounts belong to several WABAs it is that of the first. Raises CampaignError, TemplateError.
    """
    name, _, language = text.partition(":")
    if not name or not language:
        raise CampaignError(f"{text!r} is not NAME:LANGUAGE, such as promo:pt_BR.")
    rows = {row.waba_id: row for row in templates.find_templates(connection, name, language)}
    if not rows:
        raise CampaignError(f"There is no template {text}; `revoada template list` shows all.")
    synced = templates.list_synced_wabas(connection)
    chosen: dict[str, templates.TemplateRow] = {}
    warnings: list[str] = []
    for account in accounts.list_accounts(connection, account_ids):
        if account.waba_id in chosen:
            continue
        row = rows.get(account.waba_id) or rows.get("")
        synced_at = synced.get(account.waba_id)
        if row is None or (row.waba_id == "" and synced_at is not None and synced_at > row.created_at):
            raise CampaignError(
                f"The template {text} is not known in WABA {account.waba_id} of account {account.name}: "
                "`revoada template sync` reads its templates."
            )
        warnings += _judge(row, text)
        chosen[account.waba_id] = row
    first, *others = chosen.values()
    for other in others:
        if read_template(other) != read_template(first):
            raise CampaignError(
                f"The template {text} is not the same in WABA {first.waba_id or 'any'} and "
                f"{other.waba_id or 'any'}: make a campaign for each."
            )
    return first, warnings


def read_template(row: templates.TemplateRow) -> Template:
    """Return the template of a row. Raises TemplateError, which names it, for components that cannot be read."""
    try:
        return template_from_components(row.name, row.language, row.components)
    except TemplateError as error:
        raise TemplateError(f"The template {row.name}:{row.language} cannot be sent: {error}") from None


def _judge(row: templates.TemplateRow, text: str) -> list[str]:
    where = f" in WABA {row.waba_id}" if row.waba_id else ""
    if row.status in _NOT_SENT:
        raise CampaignError(
            f"The template {text} is {row.status.replace('_', ' ')}{where}, and a campaign needs an approved one: "
            "`revoada template sync` asks Meta again."
        )
    if row.status != "approved":
        return [f"The template {text} is {row.status}{where}: the campaign waits until Meta takes it again."]
    return []
