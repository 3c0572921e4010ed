"""`revoada suppress` lists and changes suppressions; `revoada optouts` decides about answers that may be opt-outs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path

import click

from campaigns.cli.campaign.recipients import phone_options, show_bar
from campaigns.cli.help import Group
from campaigns.cli.hints import _, plural
from campaigns.cli.output import (
    json_option,
    local_time,
    print_json,
    print_json_rows,
    print_table,
    say,
)
from campaigns.cli.reasons import translate_reason
from campaigns.cli.session import Session, one_line, reason_option
from campaigns.cli.types import FILE, WholeNumber
from campaigns.domain.optout.recognition import Source
from campaigns.domain.statement import Count, Entry, Field
from campaigns.language import current
from campaigns.logs import mask_phone
from campaigns.management import reviews, suppressions
from campaigns.store.optouts.reviews import ReviewRow, list_reviews
from campaigns.store.optouts.suppressions import count_suppressions, stream_suppressions
from campaigns.store.people import count_forgotten

_LISTED_ROWS = 1_000

_phones = click.argument("phones", nargs=-1, required=True, metavar="PHONE…")


@click.group(cls=Group)
def suppress() -> None:
    """Suppressions: people who must not be messaged, by any campaign.

    Each message is checked just before it is sent, so a running campaign skips these people, too. Answers such as STOP,
    buttons and WhatsApp's own opt-out suppress a person automatically.
    """


@suppress.command()
@_phones
@click.option("--reason", metavar="TEXT", help="A reason, which `list` shows.")
@json_option
@click.pass_obj
def add(session: Session, phones: Sequence[str], reason: str | None, as_json: bool) -> None:
    """Suppress people, all or none.

    \b
    Example:
      revoada suppress add +5511999990000 '+55 11 98888-0000' --reason 'asked by e-mail'
    """
    numbers = session.read_phones(phones)
    new = suppressions.suppress_phones(
        session.database,
        numbers,
        actor=replace(session.actor, reason=reason),
        reason=reason,
        secret_key=session.settings.secret_key,
    )
    if as_json:
        rows = zip(phones, numbers, new, strict=True)
        print_json([{"phone": each, "number": number, "was_suppressed": not is_new} for each, number, is_new in rows])
        return
    for phone, is_new in zip(numbers, new, strict=True):
        known = _("{phone} is suppressed; it was before, too.", phone=phone)
        say(_("{phone} is suppressed.", phone=phone) if is_new else known)
    if len(by_phone := dict(zip(numbers, new, strict=True))) > 1:
        added_count = sum(by_phone.values())
        say(_describe_numbers(added_count, len(by_phone) - added_count))


def _describe_numbers(added_count: int, known_count: int, rejected_count: int = 0) -> str:
    """Return how many phones were suppressed now and before, and how many rows of a file have none."""
    numbers = [plural("{count:,} phone suppressed", "{count:,} phones suppressed", added_count)]
    if known_count:
        numbers.append(plural("{count:,} was on the list already", "{count:,} were on the list already", known_count))
    if rejected_count:
        numbers.append(_("{rows} without a phone that can be read", rows=Count(rejected_count, "row")))
    return f"{', '.join(numbers)}."


@suppress.command()
@_phones
@reason_option
@json_option
@click.pass_obj
def remove(session: Session, phones: Sequence[str], as_json: bool) -> None:
    """Lift the suppression of people, all or none, whatever its source. Do so only with their consent.

    A newer opt-out suppresses them again. Messages that a campaign has skipped already stay skipped.

    \b
    Example:
      revoada suppress remove +5511999990000
    """
    numbers = session.read_phones(phones)
    lifted = suppressions.lift_phones(
        session.database, numbers, actor=session.actor, secret_key=session.settings.secret_key
    )
    if as_json:
        rows = zip(phones, numbers, lifted, strict=True)
        print_json([{"phone": each, "number": number, "was_suppressed": was} for each, number, was in rows])
        return
    for phone, was_suppressed in zip(numbers, lifted, strict=True):
        free = _("{phone} was not suppressed.", phone=phone)
        say(_("{phone} may be messaged again.", phone=phone) if was_suppressed else free)


@suppress.command("list")
@click.option(
    "--source", type=click.Choice([str(source) for source in Source]), help="Only suppressions of this source."
)
@json_option
@click.pass_obj
def list_(session: Session, source: str | None, as_json: bool) -> None:
    """Show suppressed people, the newest first, with source and time; the first 1,000, or all with --json.

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
        (_("person"), _("source"), _("since"), _("detail")),
        [
            (
                row.recipient_key,
                current().translate_word(Source(row.source)),
                local_time(row.at, zone),
                translate_reason(row.detail or ""),
            )
            for row in rows
        ],
        empty=_("Nobody is suppressed."),
    )
    if len(rows) == _LISTED_ROWS and (more := session.database.run(count_suppressions, chosen) - len(rows)) > 0:
        say(_("… and {count:,} more: --json has all.", count=more))
    if not source and (forgotten := session.database.run(count_forgotten)):
        say(_("Suppressed and forgotten, known by a hash only: {count:,}.", count=forgotten))


@suppress.command("import")
@click.argument("file", type=FILE)
@phone_options
@reason_option
@json_option
@click.pass_obj
def import_(
    session: Session, /, *, file: str, phone_column: str | None, region: str | None, sheet: str | None, as_json: bool
) -> None:
    """Suppress everybody in a file: CSV as any spreadsheet saves it, or XLSX.

    The file has one phone per row without a header, or is a table whose first row names the column of the phones.
    Phones are written as for `revoada campaign create`. Rows without a phone are listed; all other rows are
    imported, also hidden ones. The import may be repeated.

    \b
    Examples:
      revoada suppress import opted-out.csv
      revoada suppress import descadastros.xlsx --phone-column 'Celular 1' --region BR
    """
    with show_bar(Path(file).name) as report:
        done = suppressions.import_suppressions(
            session.database,
            Path(file),
            actor=session.actor,
            phone_column=phone_column,
            region=region or session.settings.region,
            secret_key=session.settings.secret_key,
            report=report,
            sheet_name=sheet,
        )
    if as_json:
        problems = [{"row": number, "column": each.column, "reason": each.reason} for number, each in done.problems]
        print_json(asdict(done) | {"problems": problems})
        return
    say(_describe_numbers(done.added_count, done.known_count, done.rejected_count))
    if done.hidden_count:
        rows = Count(done.hidden_count, "hidden row")
        say(_("{rows} of the sheet read like the others.", rows=rows))
    if (foreign := done.foreign) is not None:
        text = _(
            "Warning: {phones} without a country code may be those of another country, and were read as phones of"
            " {region} (row {row:,} became {shown}). If they are, import the file again with {choice}: these people are"
            " not suppressed yet.",
            phones=Count(foreign.count, "phone"),
            region=foreign.region,
            row=foreign.row_number,
            shown=foreign.shown,
            choice=Entry(Field.REGION, foreign.likely),
        )
        say(text, is_warning=True)
    if done.rejected_count:
        rows = Count(done.rejected_count, "row")
        say(_("Warning: {rows} without a phone that can be read:", rows=rows), is_warning=True)
        for row_number, problem in done.problems:
            reason = f"{problem.column} {translate_reason(problem.reason)}".strip()
            say(_("  row {row}: {reason}", row=row_number, reason=reason), is_warning=True)
        if more := done.rejected_count - len(done.problems):
            say(_("  … and {count:,} more: correct these rows, and import the file again", count=more), is_warning=True)


_ids = click.argument("ids", type=WholeNumber(1, example=12), nargs=-1, required=True, metavar="ID…")


@click.group(cls=Group)
def optouts() -> None:
    """Answers that may be opt-outs: read them, and decide.

    STOP and similar answers suppress a person at once. An answer that only resembles one waits here for a decision.
    Until then no marketing is sent to that person; utility and authentication messages are sent.
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
        (_("review"), _("person"), _("when"), _("to"), _("campaign"), _("answer")),
        [_describe(row, session.settings.time_zone) for row in rows],
        empty=_("No answer waits for a decision."),
    )
    if rows:
        say(
            plural(
                "{count:,} review to decide, no marketing until then: revoada optouts accept ID (it is an opt-out), "
                "or dismiss ID (it is none).",
                "{count:,} reviews to decide, no marketing until then: revoada optouts accept ID (it is an opt-out), "
                "or dismiss ID (it is none).",
                len(rows),
            )
        )


def _describe(row: ReviewRow, time_zone: str) -> tuple[object, ...]:
    campaign = "" if row.campaign_id is None else str(row.campaign_id)
    when = local_time(row.said_at, time_zone)
    text = _read_text(row) or _("(erased, because nobody decided in time)")
    return str(row.id), mask_phone(row.recipient_key), when, row.account, campaign, text


def _read_text(row: ReviewRow) -> str:
    """Return the person's answer in one line, without characters that would control the terminal."""
    return " / ".join(map(one_line, row.text.split("\n")))


@optouts.command()
@_ids
@reason_option
@json_option
@click.pass_obj
def accept(session: Session, ids: Sequence[int], as_json: bool) -> None:
    """Accept answers as opt-outs: suppress their authors from the time of the answer on, all or none.

    The text of the answers is erased. No campaign writes to these people any more, until `revoada suppress remove`.

    \b
    Example:
      revoada optouts accept 7 9
    """
    done = reviews.accept(session.database, ids, actor=session.actor)
    if as_json:
        print_json(asdict(done))
        return
    say(
        plural(
            "{count:,} person suppressed as of the answer ({answers}).",
            "{count:,} people suppressed as of the answer ({answers}).",
            done.person_count,
            answers=Count(done.answer_count, "answer"),
        )
    )


@optouts.command()
@_ids
@reason_option
@json_option
@click.pass_obj
def dismiss(session: Session, ids: Sequence[int], as_json: bool) -> None:
    """Dismiss answers that are no opt-outs: let their authors get marketing again, all or none.

    The text of the answers is erased. Messages that were skipped because of them are pending again, in campaigns that
    have not ended. If a person writes the same words again, the new answer waits for a review, too.

    \b
    Example:
      revoada optouts dismiss 8
    """
    done = reviews.dismiss(session.database, ids, actor=session.actor)
    session.enqueue(done.to_enqueue)
    if as_json:
        columns = asdict(done)
        columns["enqueued"] = columns.pop("to_enqueue")
        print_json(columns)
        return
    sentences = [
        plural(
            "{count:,} person may get marketing again ({answers}).",
            "{count:,} people may get marketing again ({answers}).",
            done.person_count,
            answers=Count(done.answer_count, "answer"),
        )
    ]
    if done.restored_count:
        sentences.append(
            plural(
                "{count:,} skipped message will be sent after all.",
                "{count:,} skipped messages will be sent after all.",
                done.restored_count,
            )
        )
    if done.left_count:
        sentences.append(
            plural(
                "{count:,} message of campaigns that have ended stays unsent.",
                "{count:,} messages of campaigns that have ended stay unsent.",
                done.left_count,
            )
        )
    say(" ".join(sentences))
