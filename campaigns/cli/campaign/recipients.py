"""`revoada campaign import`, `discard-list`, `import-errors` and `export`, and the options and reports of an import."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
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

from campaigns.cli.campaign.import_report import report_import, say_warning
from campaigns.cli.csv_files import replacing
from campaigns.cli.help import Command
from campaigns.cli.hints import _, advise, in_commands, plural
from campaigns.cli.output import ask, confirm, has_terminal, json_option, print_json, print_json_rows, print_table, say
from campaigns.cli.reasons import translate_column, translate_reason
from campaigns.cli.session import DeclinedError, Session, prints_json, reason_option
from campaigns.cli.types import (
    CAMPAIGN,
    DISCARDABLE_CAMPAIGN,
    FILE,
    RECIPIENTS_CAMPAIGN,
    REGION,
    STATUSES,
    VARIABLE_MAP,
    FilePath,
)
from campaigns.domain.campaign import CampaignStatus, Departure, missing_campaign
from campaigns.domain.controls import escape_controls
from campaigns.domain.message import Status
from campaigns.domain.optout.consent import RefusalChoice
from campaigns.domain.recipients import Choice, list_names
from campaigns.domain.statement import Count, Hint, HintAction
from campaigns.management.campaigns import ChangeResult
from campaigns.management.drafts.imports import add_recipients, count_new_people, replace_recipients
from campaigns.management.drafts.kept_choices import keep_choices
from campaigns.management.drafts.people import find_language_warnings
from campaigns.management.exports import Export, export_campaign
from campaigns.management.files.jobs import discard_newer_list
from campaigns.management.recipients import Reading, find_overlaps
from campaigns.management.suppressions import count_unrecorded, record_refusals
from campaigns.sheets.csv_writer import write_csv
from campaigns.sheets.package import Report
from campaigns.sheets.xlsx import HiddenChoice
from campaigns.store.campaigns import CampaignListing, list_campaigns
from campaigns.store.database import Connection
from campaigns.store.recipients import (
    count_import_errors,
    list_import_errors,
    list_imported_files,
    stream_import_errors,
)

_LISTED_ROWS = 100


def phone_options(command: Any) -> Any:
    """Add the options for the sheet, for the column of the phones and for the region by which phones are read."""
    column = click.option(
        "--phone-column", metavar="NAME", help="Column of the phones (default: telefone, celular, mobile …)."
    )
    region = click.option(
        "--region", type=REGION, metavar="BR", help="Country of phones without a country code (default REVOADA_REGION)."
    )
    sheet = click.option(
        "--sheet", metavar="NAME", help="Sheet of a workbook (default: the only visible sheet that has rows)."
    )
    return sheet(column(region(command)))


def reading_options(command: Any) -> Any:
    """Add the options for the reading of a recipients file."""
    options = (
        click.option(
            *("--map", "mapping"),
            type=VARIABLE_MAP,
            multiple=True,
            metavar="VARIABLE=COLUMN",
            help="The column that fills a variable, such as 1=nome; repeatable.",
        ),
        click.option("--mobile-only", is_flag=True, help="Reject landlines; they are only counted otherwise."),
        click.option("--allow-test-numbers", is_flag=True, help="Take Meta's test numbers, which begin with +1 555."),
        click.option(
            "--allow-null",
            is_flag=True,
            help="Take texts for a missing value (NULL, nan, N/A, - …), unfilled {{name}}, formulas (=A1), TRUE and"
            " FALSE, dates that do not exist, cells of another kind than their column, and signs in place of letters"
            " (Jo?o) as texts; their rows are rejected otherwise.",
        ),
        click.option(
            "--consent-column",
            metavar="NAME",
            help="Column of the consent (default: consent, consentimento or origem).",
        ),
        click.option(
            "--refusals",
            type=click.Choice([RefusalChoice.INCLUDE.value, RefusalChoice.SKIP.value]),
            help="Read or leave out people who want no messages, by a column such as newsletter, or by words such as"
            " unsubscribed in any column (default: refuse such a list).",
        ),
        click.option(
            "--record-refusals/--no-record-refusals",
            default=None,
            help="With --refusals skip: record the people who are left out as opt-outs, so that no later campaign"
            " writes to them (default: ask in a terminal; a script records nobody).",
        ),
        click.option(
            "--no-answer",
            type=click.Choice([RefusalChoice.INCLUDE.value, RefusalChoice.SKIP.value]),
            help="Read or leave out people whose cell in a column such as newsletter is empty (default: refuse such a"
            " list).",
        ),
        click.option(
            "--not-refusals",
            multiple=True,
            metavar="COLUMN",
            help="A column that says nothing about messages, such as the status of an order. A word such as cancelled"
            " in it then leaves nobody out. Repeatable.",
        ),
        click.option(
            "--hidden",
            type=click.Choice([HiddenChoice.INCLUDE.value, HiddenChoice.SKIP.value]),
            help="Read or leave out hidden and filtered rows, hidden columns, and rows that are struck through or"
            " marked by a colour (default: refuse such a workbook).",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return phone_options(command)


@contextmanager
def open_reading(session: Session, file: str, options: dict[str, Any]) -> Iterator[Reading]:
    """Yield the options for reading `file` as a `Reading`. In a terminal, a bar shows the progress."""
    reading = _read_options(session, file, options)
    with show_bar(Path(file).name) as report:
        yield replace(reading, report=report)


def _read_options(session: Session, file: str, options: dict[str, Any]) -> Reading:
    mapping: dict[str, str] = {}
    for variable, column in options["mapping"]:
        if variable in mapping:
            raise click.UsageError(_("--map names the variable {variable} twice.", variable=variable))
        mapping[variable] = column
    if options["record_refusals"] and options["refusals"] != RefusalChoice.SKIP:
        raise click.UsageError(_("--record-refusals needs --refusals skip."))
    choice = Choice(
        phone=options["phone_column"],
        consent=options["consent_column"],
        mapping=mapping,
        unrelated=options["not_refusals"],
    )
    return Reading(
        choice=choice,
        region=options["region"] or session.settings.region,
        sheet=options["sheet"],
        hidden=HiddenChoice(options["hidden"] or HiddenChoice.REFUSE),
        refusals=RefusalChoice(options["refusals"] or RefusalChoice.REFUSE),
        unanswered=RefusalChoice(options["no_answer"] or RefusalChoice.REFUSE),
        is_mobile_only=options["mobile_only"],
        takes_tests=options["allow_test_numbers"],
        takes_nulls=options["allow_null"],
        given_path=file,
        records_refusals=bool(options["record_refusals"]),
    )


@contextmanager
def show_bar(name: str) -> Iterator[Report]:
    """Yield a function that takes the fraction of a file that is read so far. In a terminal, a bar shows it."""
    if not sys.stderr.isatty():
        yield lambda _part: None
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(_("reading {file}", file=escape_controls(name)), total=1.0)

        def report(part: float) -> None:
            if part < 1:
                progress.update(task, completed=part)
            else:  # all rows are read; one statement of Postgres writes them
                progress.update(task, description=_("writing"), total=None)

        yield report


def warn(result: ChangeResult) -> None:
    """Print the warnings of a campaign that was made or changed."""
    for warning in result.warnings:
        say_warning(warning)


def settle_refusals(session: Session, result: ChangeResult, file: str, options: Mapping[str, Any]) -> None:
    """Ask a person whether the people who said no become opt-outs, and record them; tell a script the command.

    `file` and `options`: as the person gave them. Nobody is asked about people who get no messages already, or if an
    option has answered.
    """
    imported, settings = result.imported, session.settings
    if imported is None or not imported.refused or options["record_refusals"] is False:
        return
    if imported.records_refusals:
        _tell_recorded(result.recorded_count)
        return
    count = count_unrecorded(session.database, imported.refused, secret_key=settings.secret_key)
    if not count:
        return
    if prints_json() or not has_terminal():
        text = plural(
            "{count:,} person who said no is left out of this campaign only. To record this person as an opt-out, so"
            " that no later campaign writes to this person: `{command}`.",
            "{count:,} people who said no are left out of this campaign only. To record them as opt-outs, so that no"
            " later campaign writes to them: `{command}`.",
            count,
            command=_write_import(result, file, options),
        )
        say(text, is_warning=True)
        return
    question = plural(
        "Record {count:,} person who said no as an opt-out, so that no later campaign writes to this person?",
        "Record {count:,} people who said no as opt-outs, so that no later campaign writes to them?",
        count,
    )
    if ask(question, default=True):
        recorded_count = record_refusals(
            session.database, result.id, imported.refused, actor=session.actor, secret_key=settings.secret_key
        )
        _tell_recorded(recorded_count)


def _tell_recorded(count: int) -> None:
    text = plural(
        "  {count:,} person who said no is recorded as an opt-out; {undo} ends an opt-out",
        "  {count:,} people who said no are recorded as opt-outs; {undo} ends an opt-out",
        count,
        undo=Hint(HintAction.LIFT_SUPPRESSION),
    )
    say(text, is_warning=prints_json())


# The options for the reading of a file, by the name of their parameter.
_WITH_VALUE = ("sheet", "phone_column", "region", "consent_column", "refusals", "no_answer", "hidden")
_FLAGS = ("mobile_only", "allow_test_numbers", "allow_null")


def _write_import(result: ChangeResult, file: str, options: Mapping[str, Any]) -> str:
    """Return the command that reads the same file in the same way, and records the people who said no."""
    given = [
        *((name, options[name]) for name in _WITH_VALUE if options[name] is not None),
        *(("not_refusals", column) for column in options["not_refusals"]),
        *(("map", f"{variable}={column}") for variable, column in options["mapping"]),
    ]
    words = ["revoada", "campaign", "import", str(result.id), file]
    for name, value in given:
        words += [f"--{name.replace('_', '-')}", value]
    words += [f"--{name.replace('_', '-')}" for name in _FLAGS if options[name]]
    # The people of the file are in the campaign already. If they are all its people, they can be read in their place.
    replaces = result.status is CampaignStatus.DRAFT and not result.people_before
    return shlex.join([*words, "--record-refusals", *(["--replace"] if replaces else [])])


def tell_next_commands(row: CampaignListing) -> None:
    """Print the commands that follow after an import, ready to be copied."""
    say(_("Next:"))
    if not row.counts.get(Status.PENDING):
        say(_("  revoada campaign import {id} FILE", id=row.id))
        return
    say(_("  revoada campaign preview {id}", id=row.id))
    say(_("  revoada campaign test {id} --to PHONE", id=row.id))
    if row.status == CampaignStatus.PAUSED:
        say(_("  revoada campaign resume {id}", id=row.id))
    else:
        say(_("  revoada campaign start {id}", id=row.id))


def result_to_json(result: ChangeResult) -> dict[str, object]:
    """Return a campaign that was made or changed, and the warnings about it."""
    warnings = [
        {"kind": each.code, "text": in_commands(each), "advice": advise(each)}
        for each in (*result.warnings, *result.import_warnings)
    ]
    return {
        "id": result.id,
        "name": result.name,
        "status": result.status,
        "warnings": warnings,
    } | departure_to_json(result.departure)


def departure_to_json(departure: Departure | None) -> dict[str, object]:
    """Return when the first message of a campaign may leave, why it leaves late or not at all, and to how many."""
    obstacles = () if departure is None else departure.obstacles
    return {
        "first_message_at": None if departure is None else departure.at,
        "obstacles": [{"kind": each.code, "text": in_commands(each), "advice": advise(each)} for each in obstacles],
        "openings": [
            {"at": at, "people": people} for at, people in (() if departure is None else departure.people.items())
        ],
    }


def import_to_json(session: Session, result: ChangeResult) -> dict[str, object]:
    """Return a campaign with the result of an import, and the other campaigns to the same people."""
    imported = result.imported
    assert imported is not None
    overlaps = find_overlaps(session.database, result.id, days=session.settings.overlap_days)
    columns = [asdict(each) for each in overlaps]
    for each in columns:
        del each["server_now"], each["got_since"]
    return (
        result_to_json(result)
        | asdict(imported.counts)
        | {
            "replaced_count": result.replaced_count,
            "recorded_refusals": result.recorded_count,
            "filled": [asdict(each) for each in imported.filled],
            "fixed": dict(imported.fixed),
            "first_message": None if imported.first is None else asdict(imported.first),
            "header_row": imported.header_row,
            "is_known_header": imported.is_known_header,
            "hidden_rows": imported.hidden.row_count,
            "hidden_columns": list(imported.hidden.columns.values()),
            "struck_rows": imported.hidden.struck_count,
            "coloured_rows": 0 if imported.hidden.coloured is None else len(imported.hidden.coloured.rows),
            "skips_hidden": imported.skips_hidden,
            "sheet": imported.facts.sheet,
            "hidden_sheets": list(imported.hidden_sheets),
            "refusing_rows": imported.refusals.row_count,
            "refusing_columns": imported.refusals.columns,
            "skips_refusals": imported.skips_refusals,
            "unanswered_rows": imported.unanswered.row_count,
            "unanswered_columns": imported.unanswered.columns,
            "skips_unanswered": imported.skips_unanswered,
            "windows_text": None if imported.windows_text is None else asdict(imported.windows_text),
            "problems": {group.code: group.row_count for group in imported.groups},
            "phones": imported.kinds,
            "likely_phone_column": imported.facts.likely_phone_column,
            "phone_column": imported.facts.phone_column,
            "blocked_count": result.blocked_count,
            "ignored_columns": imported.ignored,
            "overlaps": columns,
        }
    )


@click.command("import", cls=Command)
@click.argument("campaign_id", type=RECIPIENTS_CAMPAIGN, metavar="ID")
@click.argument("file", type=FILE)
@click.option(
    "--replace",
    "replaces",
    is_flag=True,
    help="Remove all people of the draft and the errors of its files, and read this file in their place.",
)
@click.option("--yes", is_flag=True, help="Do not ask before people are added to a campaign that has started.")
@reading_options
@reason_option
@json_option
@click.pass_obj
def import_(
    session: Session, /, campaign_id: int, file: str, *, replaces: bool, yes: bool, as_json: bool, **options: Any
) -> None:
    """Add the people of a file to a draft or a paused campaign; people who are in it already are duplicates.

    In a campaign that has people, a column belongs to a value by --map or by its name, never by its position. A file
    with the header of an earlier file is read like that file, with its --sheet and its --region.

    People who are in the campaign already keep their values. If a file was wrong, correct it and import it with
    --replace. If its first row is the same, --sheet, --phone-column, --map and --region stay as they were for the file
    before, unless you give them again.

    If the campaign has started, nothing takes the added people out of it again. So this command says in a terminal how
    many people it would add, and asks. A script gets a warning.

    `revoada campaign create -h` describes the file and the options.

    \b
    Examples:
      revoada campaign import 7 more.csv
      revoada campaign import 7 clientes.xlsx --phone-column 'Celular 1' --map 1=Nome --map 2=Desconto
      revoada campaign import 7 corrected.csv --replace
    """
    reading, kept = keep_choices(
        session.database,
        campaign_id,
        Path(file),
        _read_options(session, file, options),
        has_region=options["region"] is not None,
        keeps_columns=replaces,
    )
    asks = not (yes or as_json or replaces) and has_terminal()
    with _tell_interruption(session, campaign_id):
        if asks and _is_paused(session, campaign_id):
            # The bar ends before the question, because it would be drawn over it.
            with show_bar(Path(file).name) as report:
                new_count = count_new_people(
                    session.database,
                    campaign_id,
                    Path(file),
                    replace(reading, report=report),
                    actor=session.actor,
                    secret_key=session.settings.secret_key,
                )
            _confirm_late_people(campaign_id, new_count)
        use_case = replace_recipients if replaces else add_recipients
        with show_bar(Path(file).name) as report:
            result = use_case(
                session.database,
                campaign_id,
                Path(file),
                replace(reading, report=report),
                actor=session.actor,
                secret_key=session.settings.secret_key,
            )
    languages = find_language_warnings(session.database, result.id)
    result = replace(result, warnings=[*result.warnings, *languages])
    if not asks and result.status is CampaignStatus.PAUSED:
        _warn_of_late_people(result)
    if as_json:
        print_json(import_to_json(session, result))
        settle_refusals(session, result, file, options)
        return
    if kept:
        say(_("The columns are those of the list before, so these choices are kept: {choices}", choices=kept))
    warn(result)
    report_import(session, result)
    settle_refusals(session, result, file, options)
    (row,) = session.database.run(list_campaigns, [result.id])
    tell_next_commands(row)


@contextmanager
def _tell_interruption(session: Session, campaign_id: int) -> Iterator[None]:
    """Say that nothing was imported, if a person stops the import with Ctrl-C before its end."""
    before = session.database.run(list_imported_files, campaign_id)
    try:
        yield
    except KeyboardInterrupt:
        # The interruption may come after the people were written.
        if session.database.run(list_imported_files, campaign_id) != before:
            raise
        raise DeclinedError(_("Nothing was imported.")) from None


def _is_paused(session: Session, campaign_id: int) -> bool:
    rows = session.database.run(list_campaigns, [campaign_id])
    return any(row.status == CampaignStatus.PAUSED for row in rows)


def _confirm_late_people(campaign_id: int, count: int) -> None:
    """Ask before people are added to a campaign that has started. End the command if the answer is no."""
    if not count:
        return
    say(_tell_no_way_back(campaign_id))
    question = plural(
        "Add {count:,} person to campaign {id}, which has started? The person gets the message when it is resumed.",
        "Add {count:,} people to campaign {id}, which has started? They get the message when it is resumed.",
        count,
        id=campaign_id,
    )
    confirm(question, _("Nothing was imported."))


def _warn_of_late_people(result: ChangeResult) -> None:
    assert result.imported is not None
    if not (count := result.imported.counts.recipient_count):
        return
    text = plural(
        "Warning: {count:,} person was added to campaign {id}, which has started, and gets the message when it is"
        " resumed. {way}",
        "Warning: {count:,} people were added to campaign {id}, which has started, and get the message when it is"
        " resumed. {way}",
        count,
        id=result.id,
        way=_tell_no_way_back(result.id),
    )
    say(text, is_warning=True)


def _tell_no_way_back(campaign_id: int) -> str:
    return _(
        "Nothing takes people out of a campaign that has started. {block} blocks a person for all campaigns, and"
        " {cancel} ends the campaign for all who have got no message.",
        block=Hint(HintAction.BLOCK_PERSON),
        cancel=Hint(HintAction.CANCEL_CAMPAIGN, campaign_id),
    )


@click.command("discard-list", cls=Command)
@click.argument("campaign_id", type=DISCARDABLE_CAMPAIGN, metavar="ID")
@reason_option
@json_option
@click.pass_obj
def discard_list(session: Session, campaign_id: int, as_json: bool) -> None:
    """Delete a list that was uploaded into a draft and whose people are not in the draft. The draft keeps its people.

    A draft with such a list does not start, because the list may be the corrected one.

    \b
    Example:
      revoada campaign discard-list 7
    """
    names = discard_newer_list(session.database, campaign_id, actor=session.actor)
    if as_json:
        print_json({"id": campaign_id, "discarded": names})
    elif names:
        say(_("Deleted: {names}. Campaign {id} keeps its people.", names=list_names(names), id=campaign_id))
    else:
        say(_("Campaign {id} has no newer list. Nothing was deleted.", id=campaign_id))


@click.command("import-errors", cls=Command)
@click.argument("campaign_id", type=CAMPAIGN, metavar="ID")
@click.option("--output", type=FilePath(dir_okay=False), metavar="FILE", help="Write all these rows to a CSV file.")
@click.option(
    "--delimiter", type=click.Choice([",", ";"]), default=",", help="Delimiter of that file; Excel in Brazil needs ;."
)
@json_option
@click.pass_obj
def import_errors(session: Session, campaign_id: int, output: str | None, delimiter: str, as_json: bool) -> None:
    """Show the rows that did not become messages: rejected rows and duplicates, with their number and the reason.

    No phone is shown. A duplicate is a row of a person who has a message by another row; the reason says by which.

    \b
    Examples:
      revoada campaign import-errors 7
      revoada campaign import-errors 7 --output errors.csv --delimiter ';'
    """
    if output and as_json:
        raise click.UsageError(_("Give --output or --json, not both."))
    if not session.database.run(list_campaigns, [campaign_id]):
        raise missing_campaign(campaign_id)
    if as_json:
        session.database.run(
            lambda connection: print_json_rows(map(asdict, stream_import_errors(connection, campaign_id)))
        )
    elif output:
        row_count = session.database.run(_write_errors, campaign_id, Path(output), delimiter=delimiter)
        say(_("{file}: {rows}.", file=output, rows=Count(row_count, "row")))
    else:
        _print_table(session, campaign_id)


def _print_table(session: Session, campaign_id: int) -> None:
    rows = session.database.run(list_import_errors, campaign_id, limit=_LISTED_ROWS)
    print_table(
        (_("file"), _("row"), _("column"), _("reason")),
        [
            (
                row.file_name,
                str(row.row_number),
                translate_column(row.column_name, row.reason),
                translate_reason(row.reason),
            )
            for row in rows
        ],
        empty=_("No row of campaign {id} was rejected.", id=campaign_id),
    )
    if (row_count := session.database.run(count_import_errors, campaign_id)) > len(rows):
        say(_("… and {count:,} more: --output FILE has all.", count=row_count - len(rows)))


def _write_errors(connection: Connection, campaign_id: int, path: Path, *, delimiter: str) -> int:
    """Write a file that Excel opens as it is; return the number of its rows."""
    rows = (
        (row.file_name, row.row_number, row.column_name, row.reason, row.code)
        for row in stream_import_errors(connection, campaign_id)
    )
    with replacing(path) as file:
        return write_csv(
            file, ("file", "row", "column", "reason", "code"), ([row] for row in rows), delimiter=delimiter
        )


_DELIMITERS = {",": ",", ";": ";", "|": "|", "tab": "\t"}


@click.command(cls=Command)
@click.argument("campaign_id", type=CAMPAIGN, metavar="ID")
@click.option(
    "--output",
    type=FilePath(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write to this file instead of stdout.",
)
@click.option(
    "--delimiter", type=click.Choice([*_DELIMITERS]), default=",", help="Delimiter of the columns (default ,)."
)
@click.option(
    "--status", "statuses", type=STATUSES, metavar="failed,uncertain", help="Only messages with these statuses."
)
@click.option("--quote-phones", is_flag=True, help="Put an apostrophe before phones, so that Excel keeps their +.")
@reason_option
@click.pass_obj
def export(  # noqa: PLR0917  one per option
    session: Session,
    campaign_id: int,
    output: Path | None,
    delimiter: str,
    statuses: list[Status] | None,
    quote_phones: bool,
) -> None:
    """Write the result of each message as CSV, in UTF-8 with a byte order mark, so that spreadsheets read accents.

    Columns: phone, the template's variables, status, times (ISO, in the campaign's zone), error code, title and
    details, attempts, account, wamid, price category and model, billable. FILE is written whole or not at all. The
    status suppressed means that the person was skipped: the person wants no messages, or has got as many as the limit
    per person allows.

    A cell that a spreadsheet would calculate as a formula (it begins with = + - @ or a tab) has an apostrophe before
    it. A phone has none: + and digits calculate nothing, but Excel shows the phone as a number without the +.

    \b
    Examples:
      revoada campaign export 7 --output report.csv --delimiter ';'
      revoada campaign export 7 --status failed,uncertain > again.csv
    """
    exported = export_campaign(
        session.database, campaign_id, actor=session.actor, statuses=statuses, quotes_phones=quote_phones
    )
    if output is None:
        _write(exported, sys.stdout.buffer, _DELIMITERS[delimiter])
        return
    with replacing(output) as file:
        written = _write(exported, file, _DELIMITERS[delimiter])
    say(_("{messages} written to {file}.", messages=Count(written, "message"), file=output))


def _write(exported: Export, file: BinaryIO, delimiter: str) -> int:
    """Write all pages; return the number of rows. Show a bar on stderr if only stderr is a terminal."""
    has_bar = sys.stderr.isatty() and not file.isatty()
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not has_bar) as progress:
        bar = progress.add_task("", total=exported.row_count)
        return write_csv(
            file,
            exported.columns,
            exported.pages,
            delimiter=delimiter,
            report=lambda row_count: progress.advance(bar, row_count),
        )
