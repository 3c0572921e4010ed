"""`revoada token`: the keys with which programs use the API."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import click

from campaigns.cli.help import Group
from campaigns.cli.hints import _
from campaigns.cli.output import json_option, local_time, print_json, print_table, say
from campaigns.cli.session import Session, reason_option
from campaigns.cli.types import WholeNumber
from campaigns.domain.users.scopes import Scope
from campaigns.domain.users.tokens import MAX_DAYS
from campaigns.management.users.tokens import add_token, revoke_token
from campaigns.store.users.tokens import Token, list_tokens


@click.group(cls=Group)
def token() -> None:
    """Tokens: the keys with which programs use the API.

    A token belongs to a user, and never may do more than this user may now. If the user is disabled, the token is
    refused.

    \b
    campaigns:read      campaigns, with their settings and their progress
    campaigns:write     make, change and discard drafts, and add their people
    campaigns:send      start, test, approve, pause, resume, cancel and retry campaigns; send single messages
    messages:read       what single people get, with their phones
    exports             files with the messages of campaigns, with their phones
    accounts:read       accounts and portfolios, with their state
    accounts:write      add and change accounts and portfolios
    templates:read      templates
    templates:sync      read the templates from Meta again
    suppressions:read   people who must not be messaged
    suppressions:write  add such people, and let them get messages again
    audit:read          who changed what
    system:read         what is wrong, and the processes
    hooks               addresses of programs that get a POST for each event
    """


@token.command()
@click.argument("name")
@click.option("--user", "owner", required=True, metavar="NAME", help="The user to whom the token belongs.")
@click.option(
    "--scope",
    "scopes",
    required=True,
    multiple=True,
    type=click.Choice([scope.value for scope in Scope]),
    metavar="SCOPE",
    help="What the token may do; repeatable. See `revoada token -h`.",
)
@click.option(
    "--network",
    "networks",
    multiple=True,
    metavar="NETWORK",
    help="Only requests from this address or network, such as 203.0.113.0/24; repeatable.",
)
@click.option(
    "--days",
    type=WholeNumber(1, MAX_DAYS, example=90),
    default=90,
    metavar="N",
    help="The token is valid for this number of days (default 90).",
)
@reason_option
@json_option
@click.pass_obj
def add(  # noqa: PLR0917  one per option
    session: Session,
    /,
    name: str,
    owner: str,
    scopes: Sequence[str],
    networks: Sequence[str],
    days: int,
    as_json: bool,
) -> None:
    """Add a token. The last line of the output is the token; it is shown only now.

    \b
    Examples:
      revoada token add crm --user maria --scope campaigns:read --scope campaigns:write
      revoada token add nightly --user joao --scope campaigns:send --network 203.0.113.7 --days 365
    """
    added = add_token(
        session.database,
        name,
        owner=owner,
        scopes={Scope(each) for each in scopes},
        networks=networks,
        days=days,
        actor=session.actor,
    )
    if as_json:
        print_json({**asdict(added.token), "token": added.secret})
        return
    say(
        _(
            "Token {id} ({name}) of {owner} is added. It is valid until {time}. Keep it now: it is not shown again.",
            id=added.token.id,
            name=added.token.name,
            owner=added.token.owner,
            time=local_time(added.token.expires_at, session.settings.time_zone),
        )
    )
    say(added.secret)


@token.command("list")
@json_option
@click.pass_obj
def list_(session: Session, as_json: bool) -> None:
    """Show all tokens, without the tokens themselves.

    \b
    Example:
      revoada token list
    """
    rows = session.database.run(list_tokens)
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    zone = session.settings.time_zone
    print_table(
        (_("id"), _("name"), _("user"), _("status"), _("scopes"), _("networks"), _("last used"), _("valid until")),
        [
            (
                str(row.id),
                row.name,
                row.owner,
                _describe_status(row),
                ", ".join(row.scopes),
                ", ".join(row.networks) or _("all"),
                local_time(row.last_used_at, zone),
                local_time(row.expires_at, zone),
            )
            for row in rows
        ],
        empty=_("There is no token yet: `revoada token add -h`."),
    )


@token.command()
@click.argument("token_id", type=click.IntRange(min=1), metavar="ID")
@reason_option
@json_option
@click.pass_obj
def revoke(session: Session, token_id: int, as_json: bool) -> None:
    """Refuse all requests with a token from now on.

    \b
    Example:
      revoada token revoke 3 --reason 'the script is gone'
    """
    revoked = revoke_token(session.database, token_id, actor=session.actor)
    if as_json:
        print_json(asdict(revoked))
        return
    say(_("Token {id} ({name}) is not valid any more.", id=revoked.id, name=revoked.name))


def _describe_status(row: Token) -> str:
    if row.is_valid:
        return _("valid")
    return _("revoked") if row.revoked_at is not None else _("expired, or its user is disabled")
