"""`revoada hook`: addresses of other programs that get a POST for each event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import click

from campaigns.cli.help import Group
from campaigns.cli.hints import _, plural
from campaigns.cli.output import json_option, local_time, print_facts, print_json, print_table, say, write_number
from campaigns.cli.session import Session, reason_option
from campaigns.cli.types import WholeNumber, writes_day_first
from campaigns.domain.hooks.events import DeliveryState, DisabledReason, EventType
from campaigns.domain.schedule import read_moment
from campaigns.management.hooks import hooks
from campaigns.store.database import read_clock
from campaigns.store.hooks.hooks import Hook
from campaigns.store.hooks.outbox import Delivery

_HOOK = click.argument("hook_id", type=click.IntRange(min=1), metavar="ID")
_DELIVERIES = 10


@click.group(cls=Group)
def hook() -> None:
    """Hooks: addresses of other programs that get a POST for each event.

    An event has ids and counts. Only person.opted_out has a phone, and a hook gets it only if you name this type. Each
    POST is signed as Standard Webhooks says (docs/hooks.md). A POST that fails is tried ten times within four days.

    \b
    campaign.started|paused|resumed|waiting|completed|cancelled|expired
    import.finished             a list was read, or refused
    export.ready                a download is written
    account.activated|deactivated|reported|health_changed
    template.status_changed     Meta reports another status, or refuses the template
    messages.uncertain_overdue  messages stay uncertain for long
    worker.stalled              a worker takes no tasks
    person.opted_out            a person wants no messages: with the phone
    """


@hook.command()
@click.argument("url")
@click.option(
    "--type",
    "types",
    multiple=True,
    type=click.Choice([each.value for each in EventType]),
    metavar="TYPE",
    help="A type of events, such as campaign.completed; repeatable. Default: all but person.opted_out.",
)
@reason_option
@json_option
@click.pass_obj
def add(session: Session, url: str, types: Sequence[str], as_json: bool) -> None:
    """Add a hook. The last line of the output is the secret that signs its events; it is shown only now.

    \b
    Examples:
      revoada hook add https://crm.example.com/revoada
      revoada hook add https://crm.example.com/optouts --type person.opted_out
    """
    added = hooks.add_hook(
        session.database,
        url,
        types=types,
        networks=session.settings.egress_networks or (),
        actor=session.actor,
        secret_key=session.secret_key,
    )
    _print_secret(
        added,
        _("Hook {id} is added. Give this secret to its receiver now: it is not shown again.", id=added.hook.id),
        as_json=as_json,
    )


@hook.command("set")
@_HOOK
@click.option(
    "--type",
    "types",
    multiple=True,
    required=True,
    type=click.Choice([each.value for each in EventType]),
    metavar="TYPE",
    help="A type of events that the hook gets, such as campaign.completed; repeatable.",
)
@reason_option
@json_option
@click.pass_obj
def set_(session: Session, hook_id: int, types: Sequence[str], as_json: bool) -> None:
    """Change the types of the events that a hook gets from now on. Events that wait for it already are still sent.

    \b
    Example:
      revoada hook set 1 --type campaign.completed --type campaign.waiting
    """
    row = hooks.change_hook(session.database, hook_id, types=types, actor=session.actor)
    _print_hook(row, _("Hook {id} gets these events: {types}.", id=hook_id, types=row.types), as_json=as_json)


@hook.command("list")
@json_option
@click.pass_obj
def list_(session: Session, as_json: bool) -> None:
    """Show all hooks.

    \b
    Example:
      revoada hook list
    """
    rows = hooks.list_hooks(session.database)
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    zone = session.settings.time_zone
    print_table(
        (_("id"), _("URL"), _("status"), _("last success"), _("waiting"), _("given up")),
        [
            (
                str(row.id),
                row.url,
                _describe_status(row),
                local_time(row.succeeded_at, zone),
                write_number(row.waiting_count),
                write_number(row.given_up_count),
            )
            for row in rows
        ],
        empty=_("There is no hook yet: `revoada hook add -h`."),
    )


@hook.command()
@_HOOK
@click.option(
    "--limit",
    type=WholeNumber(0, 1000, example=20),
    default=_DELIVERIES,
    metavar="N",
    help="Show this number of events (default 10).",
)
@json_option
@click.pass_obj
def show(session: Session, hook_id: int, limit: int, as_json: bool) -> None:
    """Show a hook, its last events, and what the receiver answered.

    \b
    Example:
      revoada hook show 1
    """
    row = hooks.load_hook(session.database, hook_id)
    deliveries = hooks.list_deliveries(session.database, hook_id, limit=limit)
    if as_json:
        print_json({**asdict(row), "deliveries": [asdict(each) for each in deliveries]})
        return
    zone = session.settings.time_zone
    print_facts([
        (_("URL"), row.url),
        (_("types"), ", ".join(row.types)),
        (_("status"), _describe_status(row)),
        (_("last success"), local_time(row.succeeded_at, zone)),
        (_("failing since"), local_time(row.failing_since, zone)),
        (_("waiting"), write_number(row.waiting_count)),
        (_("given up"), write_number(row.given_up_count)),
    ])  # fmt: skip
    say()
    print_table(
        (_("event"), _("type"), _("time"), _("status"), _("tries"), _("answer")),
        [
            (
                str(each.event_id),
                each.type,
                local_time(each.at, zone),
                _STATES[each.state](),
                str(each.try_count),
                _describe_answer(each),
            )
            for each in deliveries
        ],
        empty=_("The hook has got no event yet."),
    )


@hook.command()
@_HOOK
@reason_option
@json_option
@click.pass_obj
def rotate(session: Session, hook_id: int, as_json: bool) -> None:
    """Make a new secret. For 24 hours each event has two signatures, one by the new and one by the old secret.

    \b
    Example:
      revoada hook rotate 1
    """
    rotated = hooks.rotate_hook(session.database, hook_id, actor=session.actor, secret_key=session.secret_key)
    text = _("Hook {id} has a new secret. Give it to its receiver within 24 hours: it is not shown again.", id=hook_id)
    _print_secret(rotated, text, as_json=as_json)


@hook.command()
@_HOOK
@reason_option
@json_option
@click.pass_obj
def disable(session: Session, hook_id: int, as_json: bool) -> None:
    """Send a hook nothing more, until it is enabled.

    \b
    Example:
      revoada hook disable 1
    """
    row = hooks.disable_hook(session.database, hook_id, actor=session.actor)
    _print_hook(row, _("Hook {id} is disabled.", id=hook_id), as_json=as_json)


@hook.command()
@_HOOK
@reason_option
@json_option
@click.pass_obj
def enable(session: Session, hook_id: int, as_json: bool) -> None:
    """Send a hook its events again. Events that happened while it was disabled need `revoada hook replay`.

    \b
    Example:
      revoada hook enable 1 && revoada hook replay 1 --from 'yesterday 18:00'
    """
    row = hooks.enable_hook(session.database, hook_id, actor=session.actor)
    _print_hook(row, _("Hook {id} is enabled.", id=hook_id), as_json=as_json)


@hook.command()
@_HOOK
@reason_option
@json_option
@click.pass_obj
def remove(session: Session, hook_id: int, as_json: bool) -> None:
    """Delete a hook, and all that still waits for it.

    \b
    Example:
      revoada hook remove 1
    """
    row = hooks.remove_hook(session.database, hook_id, actor=session.actor)
    _print_hook(row, _("Hook {id} is removed.", id=hook_id), as_json=as_json)


@hook.command()
@_HOOK
@click.option(
    "--from",
    "start",
    required=True,
    metavar="EVENT|TIME",
    help="The id of the first event, or a time such as 'today 09:00'.",
)
@reason_option
@json_option
@click.pass_obj
def replay(session: Session, hook_id: int, start: str, as_json: bool) -> None:
    """Send a hook its events again, from an event or a time on. Events are kept for 30 days.

    Each event keeps its id (`webhook-id`), so the receiver can leave out the events that it has.

    \b
    Examples:
      revoada hook replay 1 --from 4711
      revoada hook replay 1 --from 'yesterday 18:00'
    """
    text, from_time = start.strip(), None
    from_id = int(text) if text.isascii() and text.isdecimal() and len(text) <= 18 else None  # noqa: PLR2004  bigint
    if from_id is None:
        now = session.database.run(read_clock)
        zone = session.settings.time_zone
        from_time = read_moment(text, zone, now=now, is_day_first=writes_day_first(), looks_back=True)
    count = hooks.replay_hook(session.database, hook_id, from_id=from_id, from_time=from_time, actor=session.actor)
    if as_json:
        print_json({"event_count": count})
        return
    say(plural("{count:,} event is sent again.", "{count:,} events are sent again.", count))


@hook.command()
@_HOOK
@reason_option
@json_option
@click.pass_obj
def test(session: Session, hook_id: int, as_json: bool) -> None:
    """Send a hook an event of the type hook.test.

    \b
    Example:
      revoada hook test 1 && sleep 10 && revoada hook show 1 --limit 1
    """
    event_id = hooks.test_hook(session.database, hook_id, actor=session.actor)
    if as_json:
        print_json({"event_id": event_id})
        return
    say(
        _(
            "Event {event} is sent within a few seconds. `revoada hook show {id}` shows the answer.",
            event=event_id,
            id=hook_id,
        )
    )


_STATES = {
    DeliveryState.WAITING: lambda: _("waiting"),
    DeliveryState.DELIVERED: lambda: _("received"),
    DeliveryState.GIVEN_UP: lambda: _("given up"),
}


def _describe_status(row: Hook) -> str:
    match row.disabled_reason:
        case None:
            return _("enabled") if row.failing_since is None else _("failing")
        case DisabledReason.GONE:
            return _("disabled: the receiver answered 410 (Gone)")
        case DisabledReason.FAILING:
            return _("disabled: no success for five days")
    return _("disabled")


def _describe_answer(row: Delivery) -> str:
    if row.status is None:
        return row.error or ""
    return f"{row.status} {row.answer or ''}".rstrip()


def _print_secret(added: hooks.AddedHook, text: str, *, as_json: bool) -> None:
    if as_json:
        print_json({**asdict(added.hook), "secret": added.secret})
        return
    say(text)
    say(added.secret)


def _print_hook(row: Hook, text: str, *, as_json: bool) -> None:
    if as_json:
        print_json(asdict(row))
        return
    say(text)
