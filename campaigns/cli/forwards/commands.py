"""`revoada forward`: other programs that get the webhooks too."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict

import click

from campaigns.cli.help import Group
from campaigns.cli.hints import _
from campaigns.cli.output import json_option, local_time, print_facts, print_json, print_table, say
from campaigns.cli.session import CommandError, Session, reason_option
from campaigns.management.forwards import targets
from campaigns.management.forwards.send import describe_failure
from campaigns.store.forwards.forwards import Forward, list_forwards

_forward_id = click.argument("forward_id", type=click.IntRange(min=1), metavar="ID")


@click.group(cls=Group)
def forward() -> None:
    """Webhook forwards: other programs that get Meta's webhooks too, such as a chat or a CRM.

    Meta sends the webhooks of an app to one address, which is Revoada's. Revoada stores each webhook first and then
    posts it to each forward, signed as Meta signs. A webhook that a forward gets whole is byte by byte the one that
    Meta has sent. A target that does not answer is tried again for up to four days, and nothing else waits for it.
    """


@forward.command()
@click.argument("url")
@click.option(
    "--fields",
    metavar="FIELD,…",
    help="Only changes with these fields, such as messages,account_update (default: all).",
)
@click.option(
    "--numbers",
    metavar="NUMBER,…",
    help="Only changes about these numbers: names of accounts, or phone number ids (default: all).",
)
@click.option("--secret-env", metavar="VAR", help="Sign with the secret in this environment variable.")
@click.option("--secret-stdin", is_flag=True, help="Sign with the secret from standard input.")
@reason_option
@json_option
@click.pass_obj
def add(  # noqa: PLR0917  one per option
    session: Session,
    /,
    url: str,
    fields: str | None,
    numbers: str | None,
    secret_env: str | None,
    secret_stdin: bool,
    as_json: bool,
) -> None:
    """Add a target. It gets the webhooks that arrive from now on.

    Without a secret of its own, a target gets the signature of META_APP_SECRET, as if Meta had posted. An address in a
    private network needs REVOADA_EGRESS_NETWORKS.

    \b
    Examples:
      revoada forward add https://chat.example.com/webhooks/whatsapp/+551130000000 --fields messages
      revoada forward add https://crm.example.com/hook --numbers sales,support --secret-env CRM_SECRET
    """
    added = targets.add_forward(
        session.database,
        url,
        fields=_split(fields),
        numbers=_split(numbers),
        secret=_read_secret(secret_env, secret_stdin),
        settings=session.settings,
        actor=session.actor,
    )
    if as_json:
        print_json(asdict(added))
        return
    say(_("Forward {id} is added: webhooks that arrive from now on go to {url} too.", id=added.id, url=added.url))


@forward.command("list")
@json_option
@click.pass_obj
def list_(session: Session, as_json: bool) -> None:
    """Show all forwards, with what waits for them.

    \b
    Example:
      revoada forward list
    """
    rows = session.database.run(list_forwards)
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    zone = session.settings.time_zone
    print_table(
        (_("id"), _("URL"), _("status"), _("fields"), _("numbers"), _("waiting"), _("last accepted")),
        [
            (
                str(row.id),
                row.url,
                _describe_status(row),
                ", ".join(row.fields) or _("all fields"),
                ", ".join(row.phone_number_ids) or _("all numbers"),
                f"{row.waiting_count:,}",
                local_time(row.delivered_at, zone),
            )
            for row in rows
        ],
        empty=_("There is no forward yet: `revoada forward add -h`."),
    )


@forward.command()
@_forward_id
@json_option
@click.pass_obj
def show(session: Session, forward_id: int, as_json: bool) -> None:
    """Show one forward: what it gets, whether its target accepts it, and what waits.

    \b
    Example:
      revoada forward show 1
    """
    row = targets.show_forward(session.database, forward_id)
    if as_json:
        print_json(asdict(row))
        return
    zone = session.settings.time_zone
    print_facts(
        [
            (_("id"), str(row.id)),
            (_("URL"), row.url),
            (_("status"), _describe_status(row)),
            (_("fields"), ", ".join(row.fields) or _("all fields")),
            (_("numbers"), ", ".join(row.phone_number_ids) or _("all numbers")),
            (_("signed with"), _("a secret of its own") if row.has_own_secret else "META_APP_SECRET"),
            (_("failing since"), row.failing_since and local_time(row.failing_since, zone)),
            (_("last error"), row.last_error),
            (_("waiting"), f"{row.waiting_count:,}"),
            (_("oldest of these"), row.waits_since and local_time(row.waits_since, zone)),
            (_("accepted"), f"{row.delivered_count:,}"),
            (_("last accepted"), row.delivered_at and local_time(row.delivered_at, zone)),
            (_("given up"), f"{row.given_up_count:,}"),
        ]
    )


@forward.command()
@_forward_id
@reason_option
@json_option
@click.pass_obj
def disable(session: Session, forward_id: int, as_json: bool) -> None:
    """Send nothing to a target for now. Webhooks that arrive meanwhile are not kept for it.

    What waits already is kept for at most four days.

    \b
    Example:
      revoada forward disable 1 --reason 'the CRM is moving'
    """
    row = targets.disable_forward(session.database, forward_id, actor=session.actor)
    if as_json:
        print_json(asdict(row))
        return
    say(_("Forward {id} is disabled.", id=row.id))


@forward.command()
@_forward_id
@reason_option
@json_option
@click.pass_obj
def enable(session: Session, forward_id: int, as_json: bool) -> None:
    """Send to a target again, beginning with what waits.

    \b
    Example:
      revoada forward enable 1
    """
    row = targets.enable_forward(session.database, forward_id, actor=session.actor)
    if as_json:
        print_json(asdict(row))
        return
    say(_("Forward {id} is enabled.", id=row.id))


@forward.command()
@_forward_id
@reason_option
@json_option
@click.pass_obj
def remove(session: Session, forward_id: int, as_json: bool) -> None:
    """Delete a forward, with the webhooks that wait for it.

    \b
    Example:
      revoada forward remove 1
    """
    row = targets.remove_forward(session.database, forward_id, actor=session.actor)
    if as_json:
        print_json(asdict(row))
        return
    say(_("Forward {id} is removed.", id=row.id))


@forward.command()
@_forward_id
@json_option
@click.pass_obj
def test(session: Session, forward_id: int, as_json: bool) -> None:
    """Post a signed webhook without content to a target, and show the answer. The exit code is 1 unless it accepts.

    \b
    Example:
      revoada forward test 1
    """
    result = targets.try_forward(session.database, forward_id, settings=session.settings)
    if as_json:
        print_json(
            {
                "accepted": result.is_success,
                "status": result.status,
                "error": result.error,
                "seconds": round(result.seconds, 3),
            }
        )
    elif result.is_success:
        text = _(
            "The target accepts: HTTP {status} after {seconds:.2f} s.", status=result.status, seconds=result.seconds
        )
        say(text)
    if not result.is_success:
        if as_json:
            sys.exit(1)
        raise CommandError(_("The target does not accept: {reason}.", reason=describe_failure(result)))


def _split(text: str | None) -> list[str]:
    return [word for word in (text or "").split(",") if word.strip()]


def _read_secret(variable: str | None, from_stdin: bool) -> str | None:
    if variable is not None and from_stdin:
        raise click.UsageError(_("Give --secret-env or --secret-stdin, not both."))
    if variable is None and not from_stdin:
        return None
    secret = (sys.stdin.read() if from_stdin else os.environ.get(variable or "", "")).strip()
    if not secret:
        # The message does not repeat the name of the variable, because a person who misread the option may have typed
        # the secret as the name.
        raise CommandError(_("The secret is empty, or the environment variable is not set."))
    return secret


def _describe_status(row: Forward) -> str:
    if row.disabled_at is not None:
        return _("disabled")
    if row.failing_since is not None:
        return _("fails")
    return _("works") if row.delivered_at is not None else _("new")
