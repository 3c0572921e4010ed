"""`revoada campaign import`, `import-errors` and `export`, and how a recipients file is read and reported."""

from __future__ import annotations

import csv
import io
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from campaigns.cli.output import count, json_option, local_time, past_day, print_json_rows, print_table
from campaigns.cli.session import Session
from campaigns.cli.types import FILE, REGION, STATUSES, VARIABLE_MAP
from campaigns.domain.campaign import CampaignError, CampaignStatus, missing_campaign
from campaigns.domain.message import Status
from campaigns.domain.recipients import Choice, list_names
from campaigns.management.campaigns import Planned, add_recipients
from campaigns.management.exports import Export, export_campaign
from campaigns.management.recipients import Reading, find_overlaps
from campaigns.sheets.rows import Report
from campaigns.store.campaigns import list_campaigns
from campaigns.store.database import Connection
from campaigns.store.recipients import Overlap, list_import_errors, stream_import_errors

# Of the rejected rows and the overlaps that are shown at once.
_SHOWN_ROWS = 5
_LISTED_ROWS = 100


def phone_options(command: Any) -> Any:
    """Add the options that say where the phones of a file are, and how they are read."""
    column = click.option("--phone-column", metavar="NAME", help="Default: phone, telefone, celular or whatsapp.")
    region = click.option(
        "--region", type=REGION, metavar="BR", help="Of phones without country code (REVOADA_REGION)."
    )
    return column(region(command))


def reading_options(command: Any) -> Any:
    """Add the options that say how a recipients file is read."""
    options = (
        click.option(
            *("--map", "mapping"),
            type=VARIABLE_MAP,
            multiple=True,
            metavar="VARIABLE=COLUMN",
            help="Which column fills a variable, such as 1=nome; repeatable.",
        ),
        click.option("--consent-column", metavar="NAME", help="Default: consent, consentimento or origem, if there."),
    )
    for option in reversed(options):
        command = option(command)
    return phone_options(command)


@contextmanager
def open_reading(session: Session, file: str, options: dict[str, Any]) -> Iterator[Reading]:
    """Yield how `file` is to be read; in a terminal a bar shows how far that is."""
    mapping: dict[str, str] = {}
    for variable, column in options["mapping"]:
        if variable in mapping:
            raise click.UsageError(f"--map names the variable {variable} twice.")
        mapping[variable] = column
    choice = Choice(phone=options["phone_column"], consent=options["consent_column"], mapping=mapping)
    with show_bar(Path(file).name) as report:
        yield Reading(choice=choice, region=options["region"] or session.settings.region, report=report)


@contextmanager
def show_bar(name: str) -> Iterator[Report]:
    """Yield what is told how far a file is read; in a terminal a bar shows it."""
    if not sys.stderr.isatty():
        yield lambda _part: None
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(f"reading {name}", total=1.0)

        def report(part: float) -> None:
            if part < 1:
                progress.update(task, completed=part)
            else:  # the rest is one statement of Postgres
                progress.update(task, description="writing", total=None)

        yield report


def warn(planned: Planned) -> None:
    """Print the warnings of a campaign that was made or changed."""
    for warning in planned.warnings:
        click.echo(f"Warning: {warning}", err=True)


def report_import(session: Session, planned: Planned) -> None:
    """Say what became of the rows of a file, and who else writes to these people."""
    if planned.imported is None:
        return
    counts = planned.imported.counts
    numbers = [count(counts.recipient_count, "recipient")]
    if counts.duplicate_count:
        numbers.append(f"{count(counts.duplicate_count, 'duplicate')} dropped")
    if counts.rejected_count:
        numbers.append(f"{count(counts.rejected_count, 'row')} rejected")
    click.echo(f"Campaign {planned.id} ({planned.name}): {', '.join(numbers)}.")
    _report_rejected(session, planned.id, counts.rejected_count)
    if ignored := planned.imported.ignored:
        click.echo(f"  {count(len(ignored), 'column')} ignored: {list_names(ignored)}")
    _warn_of_overlaps(session, planned.id)


def _report_rejected(session: Session, campaign_id: int, rejected_count: int) -> None:
    if not rejected_count:
        return
    (campaign,) = session.database.run(list_campaigns, [campaign_id])
    skip = campaign.rejected_count - rejected_count  # of earlier files
    rows = session.database.run(list_import_errors, campaign_id, limit=_SHOWN_ROWS, skip=skip)
    for row in rows:
        click.echo(f"  row {row.row_number}: {row.column_name} {row.reason}")
    if rejected_count > len(rows):
        click.echo(f"  … see `revoada campaign import-errors {campaign_id}`")


def _warn_of_overlaps(session: Session, campaign_id: int) -> None:
    overlaps = find_overlaps(session.database, campaign_id, days=session.settings.overlap_days)
    for overlap in overlaps[:_SHOWN_ROWS]:
        same = ", which has the very same file" if overlap.has_same_file else ""
        click.echo(
            f"Warning: {overlap.shared_count:,} of {count(overlap.people_count, 'recipient')} are also in campaign "
            f"{overlap.campaign_id} ({overlap.name}), {_tell_when(overlap, session.settings.time_zone)}{same}.",
            err=True,
        )
    if len(overlaps) > _SHOWN_ROWS:
        click.echo(f"Warning: some are also in {len(overlaps) - _SHOWN_ROWS:,} more campaigns.", err=True)


def _tell_when(overlap: Overlap, time_zone: str) -> str:
    """Return what the other campaign is doing, or when it did; the days are those of a zone."""
    match overlap.status:
        case CampaignStatus.RUNNING:
            return "running now"
        case CampaignStatus.PAUSED:
            return "paused now"
        case CampaignStatus.PENDING:
            return "about to run"
        case CampaignStatus.SCHEDULED:
            return f"scheduled for {local_time(overlap.at, time_zone)}"
        case CampaignStatus.DRAFT:
            return f"a draft made {past_day(overlap.at, overlap.server_now, time_zone)}"
        case status:
            return f"{status} {past_day(overlap.at, overlap.server_now, time_zone)}"


@click.command("import")
@click.argument("campaign_id", type=int, metavar="ID")
@click.argument("file", type=FILE)
@reading_options
@click.pass_obj
def import_(session: Session, /, campaign_id: int, file: str, **options: Any) -> None:
    """Add the people of a file to a draft or a paused campaign; who is in it already is a duplicate.

    The file and the options are those of `revoada campaign create -h`.

    \b
    Examples:
      revoada campaign import 7 more.csv
      revoada campaign import 7 clientes.xlsx --phone-column 'Celular 1' --map 1=Nome --map 2=Desconto
    """
    with open_reading(session, file, options) as reading:
        planned = add_recipients(
            session.database, campaign_id, Path(file), reading, secret_key=session.settings.secret_key
        )
    warn(planned)
    report_import(session, planned)


@click.command("import-errors")
@click.argument("campaign_id", type=int, metavar="ID")
@click.option("--output", type=click.Path(dir_okay=False), metavar="FILE", help="Write all of them to a CSV file.")
@click.option("--delimiter", type=click.Choice([",", ";"]), default=",", help="Of that file; Excel in Brazil wants ;.")
@json_option
@click.pass_obj
def import_errors(session: Session, campaign_id: int, output: str | None, delimiter: str, as_json: bool) -> None:
    """Show the rows of a campaign's files that were rejected: row number, column and reason, never the phone.

    \b
    Examples:
      revoada campaign import-errors 7
      revoada campaign import-errors 7 --output errors.csv --delimiter ';'
    """
    if output and as_json:
        raise click.UsageError("Give --output or --json, not both.")
    found = session.database.run(list_campaigns, [campaign_id])
    if not found:
        raise CampaignError(missing_campaign(campaign_id))
    if as_json:
        session.database.run(
            lambda connection: print_json_rows(map(asdict, stream_import_errors(connection, campaign_id)))
        )
    elif output:
        row_count = session.database.run(_write_csv, campaign_id, Path(output), delimiter=delimiter)
        click.echo(f"{output}: {count(row_count, 'row')}.")
    else:
        _print_table(session, campaign_id, found[0].rejected_count)


def _print_table(session: Session, campaign_id: int, rejected_count: int) -> None:
    rows = session.database.run(list_import_errors, campaign_id, limit=_LISTED_ROWS)
    print_table(
        ("file", "row", "column", "reason"),
        [(row.file_name, str(row.row_number), row.column_name, row.reason) for row in rows],
        empty=f"No row of campaign {campaign_id} was rejected.",
    )
    if rejected_count > len(rows):
        click.echo(f"… and {rejected_count - len(rows):,} more: --output FILE has all.")


def _write_csv(connection: Connection, campaign_id: int, path: Path, *, delimiter: str) -> int:
    """Write a file that Excel opens as it is, with a byte order mark; return how many rows it has."""
    row_count = 0
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(("file", "row", "column", "reason"))
        for row in stream_import_errors(connection, campaign_id):
            writer.writerow((row.file_name, row.row_number, row.column_name, row.reason))
            row_count += 1
    return row_count


_DELIMITERS = {",": ",", ";": ";", "|": "|", "tab": "\t"}


@click.command()
@click.argument("campaign_id", type=int, metavar="ID")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Instead of stdout.")
@click.option("--delimiter", type=click.Choice([*_DELIMITERS]), default=",", help="Between columns (default ,).")
@click.option("--status", "statuses", type=STATUSES, metavar="failed,uncertain", help="Only messages in these.")
@click.option("--quote-phones", is_flag=True, help="Put an apostrophe before phones, so that Excel keeps their +.")
@click.pass_obj
def export(  # noqa: PLR0917  one per option
    session: Session,
    campaign_id: int,
    output: Path | None,
    delimiter: str,
    statuses: list[Status] | None,
    quote_phones: bool,
) -> None:
    """Write what became of each message as CSV: UTF-8 with BOM, so that spreadsheets read the accents.

    Columns: phone, the template's variables, status, times (of the campaign's zone, ISO), error code, title and
    details, attempts, account, wamid, price category and model, billable. FILE is whole or not there at all.

    A cell that a spreadsheet would run as a formula (it begins with = + - @ or a tab) has an apostrophe before it. A
    phone has none: it is + and digits, which calculate nothing, but Excel shows it as a number without the +.

    \b
    Examples:
      revoada campaign export 7 --output report.csv --delimiter ';'
      revoada campaign export 7 --status failed,uncertain > again.csv
    """
    exported = export_campaign(session.database, campaign_id, statuses=statuses, quotes_phones=quote_phones)
    if output is None:
        _write(exported, sys.stdout.buffer, _DELIMITERS[delimiter])
        return
    with _replacing(output) as file:
        written = _write(exported, file, _DELIMITERS[delimiter])
    click.echo(f"{count(written, 'message')} written to {output}.")


def _write(exported: Export, file: BinaryIO, delimiter: str) -> int:
    """Write it all; return how many rows. The bar goes to stderr, and only where somebody sees it and nothing else."""
    has_bar = sys.stderr.isatty() and not file.isatty()
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="", write_through=False)
    writer = csv.writer(text, delimiter=delimiter)
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    written = 0
    try:
        writer.writerow(exported.columns)
        with Progress(*columns, console=Console(stderr=True), disable=not has_bar) as progress:
            bar = progress.add_task("", total=exported.row_count)
            for page in exported.pages:
                writer.writerows(page)
                written += len(page)
                progress.advance(bar, len(page))
        text.flush()
    finally:
        text.detach()
    return written


@contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a file beside `path`, readable for its owner only, that takes its place once it is whole."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink()
        raise
