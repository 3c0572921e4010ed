"""`revoada recover`: after a restore of Postgres to an older state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import click

from campaigns.cli.output import count, has_terminal, json_option, local_time, print_json, print_table
from campaigns.cli.refusals import Refusal
from campaigns.cli.session import Session
from campaigns.doctor.recover import Fate, Planned, Recovery, preview_recovery
from campaigns.doctor.recover import recover as recover_database
from campaigns.domain.schedule import read_moment

_FATES = {
    Fate.DOUBT: "all uncertain, and paused",
    Fate.DOUBT_ONLY: "all uncertain",
    Fate.PAUSE: "paused: its time is to come",
    Fate.EXCEPT: "as it is (--except)",
    Fate.DONE: "as it is (recovered before)",
}
_NOT_IN_THE_STATE = (
    "What no command can bring back: campaigns, recipients and accounts added since; opt-outs and `revoada forget` "
    "since (Meta does not tell them twice: suppress these people again before you resume anything); changes of "
    "templates (`revoada template sync`), tokens and limits."
)


@click.command(short_help="After a restore to an older state: nobody gets it twice.")
@click.option("--since", required=True, metavar="ISO", help="The time of the restored state, such as 2026-11-27T03:00.")
@click.option(
    "--except", "spared", type=int, multiple=True, metavar="ID", help="Nothing of it was sent since; repeatable."
)
@click.option("--yes", is_flag=True, help="Do not ask. Without it a terminal is needed.")
@click.option("--dry-run", is_flag=True, help="Only show what would be done.")
@json_option
@click.pass_obj
def recover(  # noqa: PLR0917  one per option
    session: Session, since: str, spared: Sequence[int], yes: bool, dry_run: bool, as_json: bool
) -> None:
    """Make uncertain what may have been sent since TIME, in a database that has forgotten it.

    For after a restore from a backup or a failover to a replica that lagged. Stop all roles first, and start them
    after it. Everything that this database holds for unsent may have gone out: so it becomes uncertain, and its
    campaign is paused, also a draft that somebody may have started. A campaign whose time is still to come is only
    paused. --except names campaigns of which you know that nothing was sent since.

    Webhooks that still come settle what they speak of, and nothing else is sent again by itself. Then, for each
    campaign: `revoada campaign resume ID` goes on without what is uncertain; `revoada campaign retry-uncertain ID`
    sends it again at the risk of a second copy. Running this twice does nothing more.

    \b
    Examples:
      revoada recover --since 2026-11-27T03:00 --dry-run
      revoada recover --since 2026-11-27T03:00 --except 12
    """
    at = read_moment(since, session.settings.time_zone)
    done = preview_recovery(session.database, since=at, spared=spared)
    if not as_json:
        _print_plan(done, session.settings.time_zone)
    if done.has_work and not dry_run:
        _confirm(done, yes=yes)
        done = recover_database(session.database, since=at, spared=spared)
    if as_json:
        print_json({
            "dry_run": dry_run,
            "since": done.since,
            "newest_at": done.newest_at,
            "count": done.count,
            "failed_count": done.failed_count,
            "campaigns": [asdict(each) for each in done.campaigns],
        })  # fmt: skip
    elif not done.has_work:
        click.echo("This was done before: nothing was changed.")
    elif not dry_run:
        click.echo(f"Done: {count(done.count, 'message')} uncertain. Start the roles, and resume what shall go on.")


def _print_plan(plan: Recovery, zone: str) -> None:
    click.echo(
        f"This database last saw something happen at {local_time(plan.newest_at, zone) or 'no time'}; what was sent "
        f"after {local_time(plan.since, zone)} is not known to it."
    )
    print_table(
        ("id", "campaign", "is", "may have been sent", "becomes"),
        [_row(each) for each in plan.campaigns],
        empty="No campaign has a message that may have been sent.",
    )
    if plan.failed_count:
        click.echo(
            f"{count(plan.failed_count, 'failed message')} {'stays' if plan.failed_count == 1 else 'stay'} failed. If "
            "somebody ran `campaign retry` since, such messages went out again then: do not retry them once more."
        )
    click.echo(_NOT_IN_THE_STATE)


def _row(planned: Planned) -> tuple[object, ...]:
    return planned.id, planned.name, planned.status, planned.count, _FATES[planned.fate]


def _confirm(plan: Recovery, *, yes: bool) -> None:
    if yes:
        return
    if not has_terminal():
        raise Refusal("Nothing was changed: there is no terminal to ask at. Say --yes if that is what you want.")
    click.confirm(f"Make {count(plan.count, 'message')} uncertain, and pause their campaigns?", abort=True)
