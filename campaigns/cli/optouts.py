"""`revoada optouts`: answers that may be opt-outs, for a person to decide."""

from __future__ import annotations

from collections.abc import Sequence

import click

from campaigns.cli.output import count, json_option, local_time, print_json, print_table
from campaigns.cli.refusals import one_line
from campaigns.cli.session import Session
from campaigns.logs import mask_phone
from campaigns.management import reviews
from campaigns.store.reviews import ReviewRow, list_reviews

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
