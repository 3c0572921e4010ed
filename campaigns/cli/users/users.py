"""`revoada user`: the people who may sign in to the console."""

from __future__ import annotations

import sys
from dataclasses import asdict

import click

from campaigns.cli.help import Group
from campaigns.cli.hints import _
from campaigns.cli.output import json_option, local_time, print_json, print_table, say
from campaigns.cli.session import CommandError, Session, reason_option
from campaigns.cli.types import ZONE
from campaigns.domain.users.rights import Role
from campaigns.language import language_of_person
from campaigns.management.users.users import LANGUAGES, UserChanges, add_user, change_user
from campaigns.store.users.users import User, list_users

_ROLES = click.Choice([role.value for role in Role])


@click.group(cls=Group)
def user() -> None:
    """Users: the people who may sign in.

    \b
    viewer    sees everything, with masked phones
    planner   also: makes drafts, and asks for approval
    operator  also: starts, pauses and cancels campaigns, sees phones, decides about opt-outs
    admin     also: changes accounts, portfolios and users, erases people

    A change of the role or of the password, and `disable`, end all sessions of the user.
    """


@user.command()
@click.argument("name")
@click.option("--role", required=True, type=_ROLES, help="What the user may do; see `revoada user -h`.")
@click.option("--password-stdin", is_flag=True, help="Take the password from standard input; else it is asked for.")
@click.option("--no-password", is_flag=True, help="Only a proxy that authenticates signs the user in.")
@click.option("--language", type=click.Choice(LANGUAGES), help="Language of the pages (default: that of this command).")
@click.option("--timezone", type=ZONE, metavar="ZONE", help="Time zone of the user (default REVOADA_TIMEZONE).")
@reason_option
@json_option
@click.pass_obj
def add(  # noqa: PLR0917  one per option
    session: Session,
    /,
    name: str,
    role: str,
    password_stdin: bool,
    no_password: bool,
    language: str | None,
    timezone: str | None,
    as_json: bool,
) -> None:
    """Add a user. The password has at least 12 characters.

    \b
    Examples:
      revoada user add maria --role admin
      pass show revoada/joao | revoada user add joao --role operator --language pt_BR --password-stdin
    """
    if no_password and password_stdin:
        raise click.UsageError(_("Give --no-password or --password-stdin, not both."))
    added = add_user(
        session.database,
        name,
        actor=session.actor,
        role=Role(role),
        password=None if no_password else _read_password(from_stdin=password_stdin),
        time_zone=timezone or session.settings.time_zone,
        language=language or language_of_person(),
    )
    if as_json:
        print_json(asdict(added))
        return
    say(_("User {id} ({name}) is added with the role {role}.", id=added.id, name=added.name, role=added.role))


@user.command("list")
@json_option
@click.pass_obj
def list_(session: Session, as_json: bool) -> None:
    """Show all users.

    \b
    Example:
      revoada user list
    """
    rows = session.database.run(list_users)
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    zone = session.settings.time_zone
    print_table(
        (
            *(_("id"), _("name"), _("role"), _("signs in"), _("last seen"), _("sessions"), _("language")),
            _("time zone"),
        ),
        [
            (
                str(row.id),
                row.name,
                row.role,
                _describe_login(row),
                local_time(row.seen_at, zone),
                row.session_count,
                row.language,
                row.time_zone,
            )
            for row in rows
        ],
        empty=_("There is no user yet: `revoada user add -h`."),
    )


@user.command("set")
@click.argument("name")
@click.option("--role", type=_ROLES, help="Another role; see `revoada user -h`.")
@click.option("--password", "asks_password", is_flag=True, help="Ask for a new password.")
@click.option("--password-stdin", is_flag=True, help="Take a new password from standard input.")
@click.option("--language", type=click.Choice(LANGUAGES), help="Language of the pages.")
@click.option("--timezone", type=ZONE, metavar="ZONE", help="Time zone of the user.")
@click.option("--enable", is_flag=True, help="Let a disabled user sign in again.")
@reason_option
@json_option
@click.pass_obj
def set_(  # noqa: PLR0917  one per option
    session: Session,
    /,
    name: str,
    role: str | None,
    asks_password: bool,
    password_stdin: bool,
    language: str | None,
    timezone: str | None,
    enable: bool,
    as_json: bool,
) -> None:
    """Change a user; options that are not given stay as they are.

    \b
    Examples:
      revoada user set joao --role planner
      revoada user set joao --password
    """
    if asks_password and password_stdin:
        raise click.UsageError(_("Give --password or --password-stdin, not both."))
    if not (role or asks_password or password_stdin or language or timezone or enable):
        raise click.UsageError(_("Nothing to change: give at least one option."))
    changes = UserChanges(
        role=None if role is None else Role(role),
        password=_read_password(from_stdin=password_stdin) if asks_password or password_stdin else None,
        language=language,
        time_zone=timezone,
        is_enabled=True if enable else None,
    )
    changed = change_user(session.database, name, changes, actor=session.actor)
    if as_json:
        print_json(asdict(changed))
        return
    say(_("User {id} ({name}) is changed.", id=changed.id, name=changed.name))


@user.command()
@click.argument("name")
@reason_option
@json_option
@click.pass_obj
def disable(session: Session, name: str, as_json: bool) -> None:
    """Let a user sign in no more, and end the user's sessions. The audit keeps the name.

    \b
    Example:
      revoada user disable joao --reason 'left the company'
    """
    changed = change_user(session.database, name, UserChanges(is_enabled=False), actor=session.actor)
    if as_json:
        print_json(asdict(changed))
        return
    say(_("User {id} ({name}) cannot sign in any more.", id=changed.id, name=changed.name))


def _read_password(*, from_stdin: bool) -> str:
    """Read a password; a person at a terminal types it twice, and it is not echoed."""
    if from_stdin and not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise CommandError(_("There is no terminal to ask for the password: give it with --password-stdin."))
    password: str = click.prompt(_("Password"), hide_input=True, confirmation_prompt=True, err=True)
    return password


def _describe_login(row: User) -> str:
    if row.disabled_at is not None:
        return _("disabled")
    return _("with a password") if row.has_password else _("by a proxy")
