"""`revoada suppress` and `revoada optouts`: who must not be messaged, and answers for a person to decide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path

import click

from campaigns.cli.output import count, json_option, local_time, print_json, print_json_rows, print_table
from campaigns.cli.recipients import phone_options, show_bar
from campaigns.cli.session import Session, one_line
from campaigns.cli.types import FILE
from campaigns.domain.optout.recognition import Source
from campaigns.logs import mask_phone
from campaigns.management import reviews, suppressions
from campaigns.store.people import count_forgotten
from campaigns.store.suppressions import ReviewRow, count_suppressions, list_reviews, stream_suppressions

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


_ids = click.argument("ids", type=int, nargs=-1, required=True, metavar="ID…")


@click.group()
def optouts() -> None:
    """Answers that may be opt-outs: read them, and decide.

    STOP and its like suppress a person at once. An answer that only comes near waits here; until it is decided, no
    marketing campaign writes to that person. Utility and authentication go on.
    """


@optouts.command()
@json_option
@click.pass_obj
def review(session: Session, as_json: bool) -> None:
    """Show the answers that wait for a decision, one line per person, the oldest first.

    \b
    Examples:
      revoada optouts review
      revoada optouts review --json
    """
    rows = session.database.run(list_reviews)
    if as_json:
        print_json([
            {
                "id": row.id,
                "person": mask_phone(row.recipient_key),
                "said_at": row.said_at,
                "text": _read_text(row),
                "answer_count": row.answer_count,
                "account": row.account,
                "campaign_id": row.campaign_id,
            }
            for row in rows
        ])  # fmt: skip
        return
    print_table(
        ("review", "person", "when", "to", "campaign", "answer"),
        [_describe(row, session.settings.time_zone) for row in rows],
        empty="No answer waits for a decision.",
    )
    if rows:
        click.echo(
            f"{count(len(rows), 'review')} to decide, no marketing until then:"
            " revoada optouts accept ID (it is an opt-out), or dismiss ID (it is none)."
        )


def _describe(row: ReviewRow, time_zone: str) -> tuple[object, ...]:
    campaign = "" if row.campaign_id is None else str(row.campaign_id)
    when = local_time(row.said_at, time_zone)
    return str(row.id), mask_phone(row.recipient_key), when, row.account, campaign, _read_text(row)


def _read_text(row: ReviewRow) -> str:
    """Return what the person said, in one line and without what a terminal obeys."""
    return " / ".join(map(one_line, row.text.split("\n")))


@optouts.command()
@_ids
@click.pass_obj
def accept(session: Session, ids: Sequence[int]) -> None:
    """Take answers for opt-outs: suppress these people as of their answer, all or none.

    Their text is erased. No campaign writes to them any more; `revoada suppress remove` takes it back.

    \b
    Example:
      revoada optouts accept 7 9
    """
    done = reviews.accept(session.database, ids)
    click.echo(f"{_people(done.person_count)} suppressed as of the answer ({count(done.answer_count, 'answer')}).")


@optouts.command()
@_ids
@click.pass_obj
def dismiss(session: Session, ids: Sequence[int]) -> None:
    """Take answers for something else: let these people get marketing again, all or none.

    Their text is erased. Messages that were skipped because the answer waited go again, in campaigns that have not
    ended. The same words, said once more, come up for review again.

    \b
    Example:
      revoada optouts dismiss 8
    """
    done = reviews.dismiss(session.database, ids)
    session.ring(done.rings)
    text = f"{_people(done.person_count)} may get marketing again ({count(done.answer_count, 'answer')})."
    if done.restored_count:
        text += f" {count(done.restored_count, 'skipped message')} will be sent after all."
    if done.left_count:
        stays = "stays" if done.left_count == 1 else "stay"
        text += f" {count(done.left_count, 'message')} of campaigns that have ended {stays} unsent."
    click.echo(text)


def _people(number: int) -> str:
    return "1 person" if number == 1 else f"{number:,} people"
