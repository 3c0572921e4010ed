"""`revoada suppress`: who must not be messaged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path

import click

from campaigns.cli.importing import phone_options, show_bar
from campaigns.cli.output import count, json_option, local_time, print_json_rows, print_table
from campaigns.cli.session import Session
from campaigns.cli.types import FILE
from campaigns.domain.optout.recognition import Source
from campaigns.management import suppressions
from campaigns.store.people import count_forgotten
from campaigns.store.suppressions import count_suppressions, stream_suppressions

_LISTED_ROWS = 1_000

_phones = click.argument("phones", nargs=-1, required=True, metavar="PHONE…")


@click.group()
def suppress() -> None:
    """Suppressions: people who must not be messaged, by any campaign.

    They are looked up when a message is about to leave, so a running campaign skips them too. Answers such as STOP,
    buttons and WhatsApp's own opt-out suppress by themselves.
    """


@suppress.command()
@_phones
@click.option("--reason", metavar="TEXT", help="Kept beside it, and shown by `list`.")
@click.pass_obj
def add(session: Session, phones: Sequence[str], reason: str | None) -> None:
    """Suppress people, all or none.

    \b
    Example:
      revoada suppress add +5511999990000 '+55 11 98888-0000' --reason 'asked by e-mail'
    """
    new = suppressions.suppress_phones(
        session.database, session.read_phones(phones), reason=reason, secret_key=session.settings.secret_key
    )
    for phone, is_new in zip(phones, new, strict=True):
        click.echo(f"{phone} is suppressed{'' if is_new else '; it was before, too'}.")


@suppress.command()
@_phones
@click.pass_obj
def remove(session: Session, phones: Sequence[str]) -> None:
    """Let people be messaged again, all or none, whatever suppressed them: only with their consent.

    A newer opt-out suppresses them again. What a campaign has skipped already stays skipped.

    \b
    Example:
      revoada suppress remove +5511999990000
    """
    lifted = suppressions.lift_phones(
        session.database, session.read_phones(phones), secret_key=session.settings.secret_key
    )
    for phone, was_suppressed in zip(phones, lifted, strict=True):
        click.echo(f"{phone} {'may be messaged again' if was_suppressed else 'was not suppressed'}.")


@suppress.command("list")
@click.option("--source", type=click.Choice([str(source) for source in Source]), help="Of this source only.")
@json_option
@click.pass_obj
def list_(session: Session, source: str | None, as_json: bool) -> None:
    """Show who is suppressed, by what and since when, the newest first; of many the first, or all with --json.

    \b
    Example:
      revoada suppress list --source word
    """
    chosen = Source(source) if source else None
    if as_json:
        session.database.run(lambda connection: print_json_rows(map(asdict, stream_suppressions(connection, chosen))))
        return
    zone = session.settings.time_zone
    rows = session.database.run(lambda connection: list(islice(stream_suppressions(connection, chosen), _LISTED_ROWS)))
    print_table(
        ("person", "source", "since", "detail"),
        [(row.recipient_key, row.source, local_time(row.at, zone), row.detail) for row in rows],
        empty="Nobody is suppressed.",
    )
    if len(rows) == _LISTED_ROWS and (more := session.database.run(count_suppressions, chosen) - len(rows)) > 0:
        click.echo(f"… and {more:,} more: --json has all.")
    if not source and (forgotten := session.database.run(count_forgotten)):
        click.echo(f"Suppressed and forgotten, known by a hash only: {forgotten:,}.")


@suppress.command("import")
@click.argument("file", type=FILE)
@phone_options
@click.pass_obj
def import_(session: Session, file: str, phone_column: str | None, region: str | None) -> None:
    """Suppress everybody in a file: CSV as any spreadsheet saves it, or XLSX.

    One phone per row without a header, or a table whose first row names the column of the phones. Phones are written
    as for `revoada campaign create`. Rows that hold none are listed, and cost the others nothing; it may be run again.

    \b
    Examples:
      revoada suppress import opted-out.csv
      revoada suppress import descadastros.xlsx --phone-column 'Celular 1' --region BR
    """
    with show_bar(Path(file).name) as report:
        done = suppressions.import_suppressions(
            session.database,
            Path(file),
            phone_column=phone_column,
            region=region or session.settings.region,
            secret_key=session.settings.secret_key,
            report=report,
        )
    click.echo(f"{count(done.added_count, 'phone')} suppressed, {done.known_count:,} known before.")
    if done.rejected_count:
        click.echo(f"Warning: {count(done.rejected_count, 'row')} without a phone that can be read:", err=True)
        for row_number, problem in done.problems:
            click.echo(f"  row {row_number}: {f'{problem.column} {problem.reason}'.strip()}", err=True)
        if more := done.rejected_count - len(done.problems):
            click.echo(f"  … and {more:,} more: mend these, and import the file again", err=True)
