"""`revoada template`: the templates that Meta has approved."""

from __future__ import annotations

from dataclasses import asdict

import click

from campaigns.cli.output import json_option, print_json, print_table
from campaigns.cli.session import Session
from campaigns.directory import add_template
from campaigns.domain.template import template_from_components
from campaigns.importing import variable_names
from campaigns.store.directory import TemplateRow, list_templates


@click.group()
def template() -> None:
    """Approved templates: what campaigns send."""


@template.command()
@click.argument("name")
@click.option("--language", required=True, metavar="CODE", help="As Meta writes it: pt_BR, en, es_AR.")
@click.option("--body", required=True, metavar="TEXT", help="The approved body, with {{1}} {{2}} or {{first_name}}.")
@click.pass_obj
def add(session: Session, name: str, language: str, body: str) -> None:
    """Make an approved template known, word for word.

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
        ("id", "template", "status", "columns", "body"),
        [(row.id, f"{row.name}:{row.language}", row.status, _columns(row), _body(row)) for row in rows],
        empty="There is no template yet: `revoada template add -h`.",
    )


def _columns(row: TemplateRow) -> str:
    names = variable_names(template_from_components(row.name, row.language, row.components))
    return ", ".join(["phone", *names])


def _body(row: TemplateRow) -> str:
    return next((part.get("text", "") for part in row.components if part.get("type") == "BODY"), "")
