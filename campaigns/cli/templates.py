"""`revoada template`: the templates that campaigns send."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import click

from campaigns.cli.help import Group
from campaigns.cli.hints import _, in_commands
from campaigns.cli.output import json_option, local_time, print_facts, print_json, print_table, say
from campaigns.cli.session import CommandError, Session, reason_option
from campaigns.cli.types import ACCOUNT, SETTING, TEMPLATE
from campaigns.domain.campaign import CampaignStatus
from campaigns.domain.filling import fill, list_parameters
from campaigns.domain.statement import Count, Hint, HintAction, deferred
from campaigns.domain.template import Template, TemplateError, TemplateStatus
from campaigns.management.accounts import add_template
from campaigns.management.layouts import preview
from campaigns.management.template_choice import find_templates, read_template
from campaigns.management.templates import WabaSync, sync_templates
from campaigns.store.templates import TemplateRow, list_templates


@click.group(cls=Group)
def template() -> None:
    """Templates: the approved texts that campaigns send."""


@template.command()
@click.argument("accounts", type=ACCOUNT, nargs=-1, metavar="[ACCOUNT…]")
@click.option("--waba", metavar="ID", help="Only the templates of this WhatsApp Business Account.")
@reason_option
@json_option
@click.pass_obj
def sync(session: Session, accounts: Sequence[str], waba: str | None, as_json: bool) -> None:
    """Read all templates from Meta, and show those that are new, changed or gone.

    Without an ACCOUNT it reads the templates of all active accounts. A template that Meta no longer lists is kept and
    marked as deleted. A campaign that waits for a template continues once the template is approved.

    \b
    Examples:
      revoada template sync
      revoada template sync sales
      revoada template sync --waba 102290129340398 --json
    """
    assert session.secret_key
    results = sync_templates(session.database, session.settings, actor=session.actor, accounts=accounts, waba_id=waba)
    session.enqueue(sorted({campaign_id for result in results for campaign_id in result.to_enqueue}))
    if as_json:
        print_json([_to_columns(result) for result in results])
    else:
        _print_sync(results)
    if failed := [result for result in results if result.error is not None]:
        named = " ".join(f"WABA {result.waba_id}: {_explain(result)}" for result in failed)
        raise CommandError(_("Not all templates could be read. {reasons}", reasons=named))


@template.command()
@click.argument("template_name", type=TEMPLATE, metavar="NAME:LANG")
@click.option("--var", "values", type=SETTING, multiple=True, metavar="KEY=VALUE", help="A value to show; repeatable.")
@json_option
@click.pass_obj
def show(session: Session, template_name: str, values: Sequence[tuple[str, str | None]], as_json: bool) -> None:
    """Show a template as people will read it, its parameters, and its status and quality at Meta.

    It is shown once for each WABA that has it.

    \b
    Example:
      revoada template show promo:pt_BR --var 1=Ana --var 'button 1=ana'
    """
    rows = session.database.run(find_templates, template_name)
    given = {key: value or "" for key, value in values}
    shown = [(row, *_read(row)) for row in rows]
    for _row, readable, _why in shown:
        if readable is not None:
            fill(readable, given)
    if as_json:
        print_json([_to_json(row, readable, why_not, given) for row, readable, why_not in shown])
        return
    for row, readable, why_not in shown:
        print_facts(_facts(row, readable, why_not, given, session.settings.time_zone))
        say()


@template.command()
@click.argument("name")
@click.option("--language", required=True, metavar="CODE", help="As Meta writes it: pt_BR, en, es_AR.")
@click.option("--body", required=True, metavar="TEXT", help="The approved body, with {{1}} {{2}} or {{first_name}}.")
@reason_option
@json_option
@click.pass_obj
def add(session: Session, name: str, language: str, body: str, as_json: bool) -> None:
    """Add an approved template by hand, word for word. Prefer `template sync`, which reads it from Meta.

    Put the body in single quotes, so that the shell does not change it.

    \b
    Example:
      revoada template add promo --language pt_BR --body 'Oi {{1}}! 20% hoje com o código {{2}}.'
    """
    template_id = add_template(session.database, name, actor=session.actor, language=language, body=body)
    if as_json:
        print_json({"id": template_id, "name": name, "language": language})
    else:
        say(_("Template {id} ({name}) is added.", id=template_id, name=f"{name}:{language}"))


@template.command("list")
@json_option
@click.pass_obj
def list_(session: Session, as_json: bool) -> None:
    """Show all templates, with the columns that a recipients file needs for each."""
    rows = session.database.run(list_templates)
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    print_table(
        (_("id"), _("template"), "WABA", _("status"), _("category"), _("quality"), _("columns"), _("body")),
        [
            (
                str(row.id),
                f"{row.name}:{row.language}",
                row.waba_id or _("any"),
                _status(row.status),
                row.category,
                row.quality,
                _columns(row),
                _body(row),
            )
            for row in rows
        ],
        empty=_("There is no template yet: `revoada template sync -h`."),
    )


def _read(row: TemplateRow) -> tuple[Template | None, str | None]:
    """Return the template and None. If no campaign can send the template, return None and the reason."""
    try:
        readable = read_template(row)
        fill(readable, {})
    except TemplateError as error:
        return None, in_commands(error)
    return readable, None


def _status(status: str) -> TemplateStatus | str:
    """Return a status as a value that has a translation; a status that only Meta knows as it is."""
    return TemplateStatus(status) if status in {*TemplateStatus} else status


def _columns(row: TemplateRow) -> str:
    readable, why_not = _read(row)
    if readable is None:
        return why_not or ""
    return ", ".join(["phone", *fill(readable, {}).names])


def _body(row: TemplateRow) -> str:
    return next((str(part.get("text", "")) for part in row.components if part.get("type") == "BODY"), "")


def _facts(
    row: TemplateRow, readable: Template | None, why_not: str | None, values: dict[str, str], time_zone: str
) -> list[tuple[str, object]]:
    facts: list[tuple[str, object]] = [
        (_("template"), f"{row.name}:{row.language}"),
        ("WABA", row.waba_id or _("any")),
        (_("status"), _status(row.status)),
        (_("category"), row.category or None),
        (_("quality"), row.quality or None),
        (_("read from Meta"), local_time(row.synced_at, time_zone)),
    ]
    if readable is None:
        return [*facts, (_("body"), _body(row)), (_("cannot be sent"), why_not)]
    shown = preview(readable, row.components, values)
    optional = [each.name for each in list_parameters(readable) if not each.is_required]
    return [
        *facts,
        (_("columns"), _columns(row)),
        (_("optional"), ", ".join(optional)),
        (_("header"), shown.header),
        (_("body"), shown.body),
        (_("footer"), shown.footer),
        *((_("button {number}", number=number), text) for number, text in enumerate(shown.buttons, start=1)),
    ]


def _to_json(
    row: TemplateRow, readable: Template | None, why_not: str | None, values: dict[str, str]
) -> dict[str, Any]:
    parameters = [] if readable is None else list_parameters(readable)
    return asdict(row) | {
        "cannot_be_sent": why_not,
        "parameters": [
            {"name": each.name, "kind": each.kind.value, "required": each.is_required, "characters": each.most}
            for each in parameters
        ],
        "preview": None if readable is None else asdict(preview(readable, row.components, values)),
    }


_KINDS = {"new": deferred("new"), "changed": deferred("changed"), "gone": deferred("gone")}


def _print_sync(results: Sequence[WabaSync]) -> None:
    changes = [(result.waba_id, change) for result in results for change in result.changes]
    if changes:
        print_table(
            (_("template"), "WABA", "", _("status"), _("what")),
            [
                (
                    f"{each.name}:{each.language}",
                    waba,
                    _(_KINDS[each.kind]),
                    _status(each.status),
                    "" if each.details is None else in_commands(each.details),
                )
                for waba, each in changes
            ],
            empty="",
        )
    misfits = {campaign_id for result in results for campaign_id in result.misfits}
    told = set(misfits)  # a campaign whose template takes other values now gets that warning only
    for result in results:
        if result.error is not None:
            continue
        values = {"waba": result.waba_id, "templates": Count(result.count, "template"), "changed": len(result.changes)}
        if result.changes:
            say(_("WABA {waba}: {templates}, {changed:,} new, changed or gone.", **values))
        elif not result.count:
            text = _(
                "WABA {waba}: Meta lists no template. Is {waba} the WhatsApp Business Account that has your templates?"
                " If it is, create a template in the WhatsApp Manager, and run {sync} again.",
                waba=result.waba_id,
                sync=Hint(HintAction.SYNC_TEMPLATES),
            )
            say(text)
        else:
            say(_("WABA {waba}: {templates}, nothing has changed.", **values))
        for refusal in result.skipped:
            say(_("Warning: {refusal} It is not kept.", refusal=refusal), is_warning=True)
        for user in result.users:
            if user.id in told:
                continue
            told.add(user.id)
            text = _(
                "Warning: campaign {id} ({name}) is {status} and sends the edited template {template}. {preview} shows"
                " its messages.",
                id=user.id,
                name=user.name,
                status=CampaignStatus(user.status),
                template=user.template,
                preview=Hint(HintAction.PREVIEW_CAMPAIGN, user.id),
            )
            say(text, is_warning=True)
    for campaign_id in sorted(misfits):
        text = _(
            "Warning: the template of campaign {id} takes other values now, or the link of a button begins in"
            " another way: see {show}.",
            id=campaign_id,
            show=Hint(HintAction.SHOW_CAMPAIGN, campaign_id),
        )
        say(text, is_warning=True)


def _to_columns(result: WabaSync) -> dict[str, Any]:
    return {
        "waba_id": result.waba_id,
        "count": result.count,
        "changes": [asdict(change) | {"details": str(change.details or "")} for change in result.changes],
        "skipped": [in_commands(refusal) for refusal in result.skipped],
        "misfits": result.misfits,
        "campaigns": [asdict(user) for user in result.users],
        "error": _explain(result),
    }


def _explain(result: WabaSync) -> str | None:
    """Return the reason why the templates of a WABA could not be read; None if they were read."""
    why = result.explain()
    return None if why is None else in_commands(why)
