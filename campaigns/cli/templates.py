"""`revoada template`: the templates that Meta has approved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import click

from campaigns.cli.output import count, json_option, local_time, print_facts, print_json, print_table
from campaigns.cli.session import Refusal, Session
from campaigns.cli.types import SETTING
from campaigns.domain.campaign import CampaignError
from campaigns.domain.filling import fill, list_parameters
from campaigns.domain.template import Template, TemplateError
from campaigns.management.accounts import add_template
from campaigns.management.preview import preview
from campaigns.management.template_choice import read_template
from campaigns.management.templates import WabaSync, sync_templates
from campaigns.store.templates import TemplateRow, find_templates, list_templates

_ANY_WABA = "any"


@click.group()
def template() -> None:
    """Approved templates: what campaigns send."""


@template.command()
@click.argument("accounts", nargs=-1, metavar="[ACCOUNT…]")
@click.option("--waba", metavar="ID", help="Only the templates of this WhatsApp Business Account.")
@json_option
@click.pass_obj
def sync(session: Session, accounts: Sequence[str], waba: str | None, as_json: bool) -> None:
    """Read all templates from Meta, and show what is new, changed or gone.

    Without an ACCOUNT those of all active accounts. What Meta lists no more is kept and marked as deleted. A campaign
    that waits for a template goes on when it is approved.

    \b
    Examples:
      revoada template sync
      revoada template sync sales
      revoada template sync --waba 102290129340398 --json
    """
    assert session.secret_key
    results = sync_templates(session.database, session.settings, accounts=accounts, waba_id=waba)
    session.ring(sorted({campaign_id for result in results for campaign_id in result.rings}))
    if as_json:
        print_json([_to_columns(result) for result in results])
    else:
        _print_sync(results)
    if failed := [result for result in results if result.error is not None]:
        named = "; ".join(f"WABA {result.waba_id}: {result.error}" for result in failed)
        raise Refusal(f"Not all templates could be read. {named}.")


@template.command()
@click.argument("template_name", metavar="NAME:LANG")
@click.option("--var", "values", type=SETTING, multiple=True, metavar="KEY=VALUE", help="A value to show; repeatable.")
@json_option
@click.pass_obj
def show(session: Session, template_name: str, values: Sequence[tuple[str, str | None]], as_json: bool) -> None:
    """Show a template as people will read it, what must be filled in, and what Meta says of it.

    It comes once for each WABA that has it.

    \b
    Example:
      revoada template show promo:pt_BR --var 1=Ana --var 'button 1=ana'
    """
    name, _, language = template_name.partition(":")
    rows = session.database.run(find_templates, name, language)
    if not rows:
        raise CampaignError(f"There is no template {template_name}; `revoada template list` shows all.")
    given = {key: value or "" for key, value in values}
    shown = [(row, *_read(row)) for row in rows]
    for _, readable, _ in shown:
        if readable is not None:
            fill(readable, given)
    if as_json:
        print_json([_to_json(row, readable, why_not, given) for row, readable, why_not in shown])
        return
    for row, readable, why_not in shown:
        print_facts(_facts(row, readable, why_not, given, session.settings.time_zone))
        click.echo()


@template.command()
@click.argument("name")
@click.option("--language", required=True, metavar="CODE", help="As Meta writes it: pt_BR, en, es_AR.")
@click.option("--body", required=True, metavar="TEXT", help="The approved body, with {{1}} {{2}} or {{first_name}}.")
@click.pass_obj
def add(session: Session, name: str, language: str, body: str) -> None:
    """Make an approved template known, word for word; `template sync` does it better.

    Quote the body with single quotes, so that the shell leaves it alone.

    \b
    Example:
      revoada template add promo --language pt_BR --body 'Oi {{1}}! 20% hoje com o código {{2}}.'
    """
    template_id = add_template(session.database, name, language=language, body=body)
    click.echo(f"Template {template_id} ({name}:{language}) is added.")


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
        ("id", "template", "WABA", "status", "category", "quality", "columns", "body"),
        [
            (
                str(row.id),
                f"{row.name}:{row.language}",
                row.waba_id or _ANY_WABA,
                row.status,
                row.category,
                row.quality,
                _columns(row),
                _body(row),
            )
            for row in rows
        ],
        empty="There is no template yet: `revoada template sync -h`.",
    )


def _read(row: TemplateRow) -> tuple[Template | None, str | None]:
    """Return the template, or why no campaign can send it."""
    try:
        readable = read_template(row)
        fill(readable, {})
    except TemplateError as error:
        return None, str(error)
    return readable, None


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
        ("template", f"{row.name}:{row.language}"),
        ("WABA", row.waba_id or _ANY_WABA),
        ("status", row.status),
        ("category", row.category or None),
        ("quality", row.quality or None),
        ("read from Meta", local_time(row.synced_at, time_zone)),
    ]
    if readable is None:
        return [*facts, ("body", _body(row)), ("cannot be sent", why_not)]
    looks = preview(readable, row.components, values)
    optional = [each.name for each in list_parameters(readable) if not each.is_required]
    return [
        *facts,
        ("columns", _columns(row)),
        ("optional", ", ".join(optional)),
        ("header", looks.header),
        ("body", looks.body),
        ("footer", looks.footer),
        *((f"button {number}", text) for number, text in enumerate(looks.buttons, start=1)),
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


def _print_sync(results: Sequence[WabaSync]) -> None:
    changes = [(result.waba_id, change) for result in results for change in result.changes]
    if changes:
        print_table(
            ("template", "WABA", "", "status", "what"),
            [(f"{each.name}:{each.language}", waba, each.kind, each.status, each.details) for waba, each in changes],
            empty="",
        )
    for result in results:
        if result.error is not None:
            continue
        changed = f"{len(result.changes):,} new, changed or gone" if result.changes else "nothing has changed"
        click.echo(f"WABA {result.waba_id}: {count(result.count, 'template')}, {changed}.")
        for text in result.skipped:
            click.echo(f"Warning: {text} It is not kept.", err=True)
        for campaign_id in result.misfits:
            click.echo(
                f"Warning: the template of campaign {campaign_id} takes other things now: "
                f"see `revoada campaign show {campaign_id}`.",
                err=True,
            )


def _to_columns(result: WabaSync) -> dict[str, Any]:
    columns = asdict(result)
    del columns["rings"]
    return columns
