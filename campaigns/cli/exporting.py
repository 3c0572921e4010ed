"""`revoada campaign export`: what became of each message, as CSV."""

from __future__ import annotations

import csv
import io
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from campaigns.cli.output import count
from campaigns.cli.session import Session
from campaigns.cli.types import STATUSES
from campaigns.domain.message import Status
from campaigns.management.exports import Export, export_campaign

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
