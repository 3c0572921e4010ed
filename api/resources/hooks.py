"""Hooks: addresses of other programs that get a POST for each event."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

from apiflask import APIBlueprint
from flask import Response
from pydantic import Field, model_validator

from api.access import demands, list_allowed
from api.context import actor, parts
from api.cursors import link_next, read_cursor, write_cursor
from api.once import Answer, carry_out, refuse_body
from api.problems import ProblemError
from api.schemas import Id, In, Moment, Out, PageQuery, Text, Time
from campaigns.domain.hooks.events import PERSONAL_TYPES, DeliveryState, DisabledReason, EventType
from campaigns.domain.users.scopes import Scope
from campaigns.egress import MAX_URL_CHARACTERS
from campaigns.management.hooks import hooks
from campaigns.store.database import Database
from campaigns.store.hooks.outbox import Delivery as DeliveryRow

blueprint = APIBlueprint("hooks", __name__)

PATH = "/hooks/<id:hook_id>"


class Hook(Out):
    """A hook without its secret.

    `failing_since`: the first failed POST since the last success. `old_secret_until`: until then the secret from before
    the last rotation signs, too. `waiting_count`: the events that wait for a try. `given_up_count`: those whose tries
    have all failed.
    """

    id: Id
    url: str
    types: list[str]
    created_at: Moment
    succeeded_at: Moment | None
    failing_since: Moment | None
    disabled_at: Moment | None
    disabled_reason: DisabledReason | None
    old_secret_until: Moment | None
    waiting_count: int
    given_up_count: int


class HookPage(Out):
    items: list[Hook]
    next: str | None


class HookSecret(Out):
    """`secret`: signs the POSTs. No other request shows it."""

    hook: Hook
    secret: str


class NewHook(In):
    url: Annotated[str, Field(min_length=1, max_length=MAX_URL_CHARACTERS)]
    types: list[EventType] = Field(
        [], max_length=100, description="Empty: all types but those with phones, which need suppressions:read."
    )
    reason: Text | None = Field(None, description="The reason; the audit shows it.")


class HookChange(In):
    types: list[EventType] = Field(
        min_length=1, max_length=100, description="Types with phones need suppressions:read."
    )
    reason: Text | None = Field(None, description="The reason; the audit shows it.")


class Delivery(Out):
    """An event and its delivery to a hook. `status`, `error`, `answer` and `seconds` are those of the last try.

    `webhook_id`: names the event to the receiver. `data` and `answer` are null for an event with a phone if the token
    lacks the scope suppressions:read.
    """

    event_id: Id
    webhook_id: str
    type: str
    at: Moment
    data: dict[str, Any] | None
    state: DeliveryState
    try_count: int
    due_at: Moment | None
    tried_at: Moment | None
    delivered_at: Moment | None
    status: int | None
    error: str | None
    answer: str | None
    seconds: float | None


class DeliveryPage(Out):
    items: list[Delivery]
    next: str | None


class DeliveryQuery(PageQuery):
    state: DeliveryState | None = None


class Replay(In):
    """Either `from_event` or `from_time`."""

    from_event: Id | None = None
    from_time: Time | None = None

    @model_validator(mode="after")
    def _check(self) -> Replay:
        if (self.from_event is None) == (self.from_time is None):
            raise ValueError("Give either from_event or from_time.")
        return self


class EventCount(Out):
    event_count: int


class SentEvent(Out):
    event_id: Id


@blueprint.get("/hooks")
@demands(Scope.HOOKS)
@blueprint.input(PageQuery, location="query")
@blueprint.output(HookPage)
def list_hooks(query_data: PageQuery) -> Any:
    """List the hooks, the oldest first."""
    (after,) = read_cursor(query_data.cursor) or (0,)
    rows = [each for each in hooks.list_hooks(parts().database) if each.id > after]
    shown = rows[: query_data.limit]
    cursor = write_cursor([shown[-1].id] if len(rows) > len(shown) else None)
    return HookPage(items=[Hook.show(each) for each in shown], next=cursor), 200, link_next(cursor)


@blueprint.post("/hooks")
@demands(Scope.HOOKS)
@blueprint.input(NewHook)
@blueprint.output(HookSecret, 201)
def add_hook(json_data: NewHook) -> Response:
    """Add a hook, which gets all later events of its types."""
    _demand_phones(json_data.types)
    settings = parts().settings

    def change(database: Database) -> Answer:
        added = hooks.add_hook(
            database,
            json_data.url,
            types=json_data.types,
            networks=settings.egress_networks or (),
            actor=replace(actor(), reason=json_data.reason or None),
            secret_key=settings.secret_key or "",
        )
        return _answer_secret(added, 201)

    return carry_out(change)


@blueprint.get(PATH)
@demands(Scope.HOOKS)
@blueprint.output(Hook)
def read_hook(hook_id: int) -> Hook:
    """Read a hook."""
    return Hook.show(hooks.load_hook(parts().database, hook_id))


@blueprint.patch(PATH)
@demands(Scope.HOOKS)
@blueprint.input(HookChange)
@blueprint.output(Hook)
def change_hook(hook_id: int, json_data: HookChange) -> Response:
    """Change the types of the events that a hook gets from now on. Events that wait for it are still sent."""
    _demand_phones(json_data.types)
    who = replace(actor(), reason=json_data.reason or None)
    return carry_out(
        lambda database: Answer(Hook.show(hooks.change_hook(database, hook_id, types=json_data.types, actor=who)))
    )


@blueprint.delete(PATH)
@demands(Scope.HOOKS)
@blueprint.output({}, 204)
def remove_hook(hook_id: int) -> Response:
    """Delete a hook, and all that still waits for it."""

    def change(database: Database) -> Answer:
        hooks.remove_hook(database, hook_id, actor=actor())
        return Answer(None, 204)

    return carry_out(change)


@blueprint.post(f"{PATH}:rotate")
@demands(Scope.HOOKS)
@blueprint.output(HookSecret)
def rotate_hook(hook_id: int) -> Response:
    """Make a new secret. For 24 hours each POST has two signatures, one by each secret."""
    refuse_body()
    key = parts().settings.secret_key or ""
    return carry_out(
        lambda database: _answer_secret(hooks.rotate_hook(database, hook_id, actor=actor(), secret_key=key), 200)
    )


@blueprint.post(f"{PATH}:disable")
@demands(Scope.HOOKS)
@blueprint.output(Hook)
def disable_hook(hook_id: int) -> Response:
    """Send a hook nothing more, until it is enabled."""
    refuse_body()
    return carry_out(lambda database: Answer(Hook.show(hooks.disable_hook(database, hook_id, actor=actor()))))


@blueprint.post(f"{PATH}:enable")
@demands(Scope.HOOKS)
@blueprint.output(Hook)
def enable_hook(hook_id: int) -> Response:
    """Send a hook its events again: those that waited, and those from now on."""
    refuse_body()
    return carry_out(lambda database: Answer(Hook.show(hooks.enable_hook(database, hook_id, actor=actor()))))


@blueprint.post(f"{PATH}:test")
@demands(Scope.HOOKS)
@blueprint.output(SentEvent, 202)
def test_hook(hook_id: int) -> Response:
    """Send a hook an event of the type hook.test within a few seconds. Its delivery tells the outcome."""
    refuse_body()

    def change(database: Database) -> Answer:
        return Answer(SentEvent(event_id=str(hooks.test_hook(database, hook_id, actor=actor()))), 202)

    return carry_out(change)


@blueprint.post(f"{PATH}:replay")
@demands(Scope.HOOKS)
@blueprint.input(Replay)
@blueprint.output(EventCount, 202)
def replay_hook(hook_id: int, json_data: Replay) -> Response:
    """Send a hook all events of its types again, from an event or a time on. Each event keeps its id."""
    from_id = None if json_data.from_event is None else int(json_data.from_event)
    from_time: dt.datetime | None = json_data.from_time

    def change(database: Database) -> Answer:
        count = hooks.replay_hook(database, hook_id, from_id=from_id, from_time=from_time, actor=actor())
        return Answer(EventCount(event_count=count), 202)

    return carry_out(change)


@blueprint.get(f"{PATH}/deliveries")
@demands(Scope.HOOKS)
@blueprint.input(DeliveryQuery, location="query")
@blueprint.output(DeliveryPage)
def list_deliveries(hook_id: int, query_data: DeliveryQuery) -> Any:
    """List the events that a hook has got or waits for, the newest event first, with the answers of the receiver."""
    (before,) = read_cursor(query_data.cursor) or (None,)
    limit = query_data.limit
    rows = hooks.list_deliveries(parts().database, hook_id, before=before, state=query_data.state, limit=limit + 1)
    shown = rows[:limit]
    cursor = write_cursor([shown[-1].event_id] if len(rows) > len(shown) else None)
    return DeliveryPage(items=[_show(each) for each in shown], next=cursor), 200, link_next(cursor)


@blueprint.post(f"{PATH}/deliveries/<id:event_id>:resend")
@demands(Scope.HOOKS)
@blueprint.output(SentEvent, 202)
def resend_delivery(hook_id: int, event_id: int) -> Response:
    """Send one event to a hook again, with all its tries. The event keeps its id."""
    refuse_body()

    def change(database: Database) -> Answer:
        hooks.resend_delivery(database, hook_id, event_id, actor=actor())
        return Answer(SentEvent(event_id=str(event_id)), 202)

    return carry_out(change)


def _demand_phones(types: Sequence[EventType]) -> None:
    if PERSONAL_TYPES & set(types) and Scope.SUPPRESSIONS_READ not in list_allowed():
        raise ProblemError("scope_missing", scope=Scope.SUPPRESSIONS_READ)


def _answer_secret(added: hooks.AddedHook, status: int) -> Answer:
    return Answer(HookSecret(hook=Hook.show(added.hook), secret=added.secret), status, has_secret=True)


def _show(row: DeliveryRow) -> Delivery:
    if row.type in PERSONAL_TYPES and Scope.SUPPRESSIONS_READ not in list_allowed():
        return Delivery.show(row, data=None, answer=None)
    return Delivery.show(row)
