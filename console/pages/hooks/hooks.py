"""Hooks: an admin adds them, looks at what their receivers answer, sends events again, and ends them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flask import Flask, redirect, render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response

from campaigns.domain.hooks.events import DeliveryState, DisabledReason, EventType
from campaigns.domain.schedule import read_moment
from campaigns.domain.statement import Refusal, deferred
from campaigns.domain.users.rights import Right
from campaigns.management.hooks import hooks
from campaigns.store.database import read_clock
from campaigns.store.hooks.hooks import Hook
from console.context import actor, parts, user
from console.errors import find_status
from console.forms.hooks import HookForm, ReplayForm, TypesForm
from console.forms.moves import ConfirmForm
from console.rights import demands, sensitive
from console.texts import _, plural, say

_Answer = str | Response | tuple[str, int]
_MAX_ID = 2**63 - 1
_HOOK = f"/hooks/<int(max={_MAX_ID}):hook_id>"
_DELIVERIES = 50


@dataclass(frozen=True, slots=True)
class _Act:
    """A change of a hook, which has a page of its own. `done`: the sentence after the change."""

    name: str
    title: str
    note: str
    button: str
    change: Callable[[int], object]
    done: str
    is_dangerous: bool = False


_ACTS = (
    _Act(
        "test",
        deferred("Send a test event?"),
        deferred("The receiver gets an event of the type hook.test within a few seconds."),
        deferred("Send a test event"),
        lambda hook_id: hooks.test_hook(parts().database, hook_id, actor=actor()),
        deferred("A test event is sent. Open this page again in a few seconds to see the answer."),
    ),
    _Act(
        "disable",
        deferred("Disable the hook?"),
        deferred("The receiver gets nothing more until somebody enables the hook."),
        deferred("Disable the hook"),
        lambda hook_id: hooks.disable_hook(parts().database, hook_id, actor=actor()),
        deferred("The hook is disabled."),
        is_dangerous=True,
    ),
    _Act(
        "enable",
        deferred("Enable the hook?"),
        deferred(
            "The receiver gets what waits, and all later events. The events of the time in which the hook was disabled"
            " are not sent by themselves."
        ),
        deferred("Enable the hook"),
        lambda hook_id: hooks.enable_hook(parts().database, hook_id, actor=actor()),
        deferred("The hook is enabled."),
    ),
    _Act(
        "remove",
        deferred("Remove the hook?"),
        deferred("The hook, its secret and all that waits for it are deleted."),
        deferred("Remove the hook"),
        lambda hook_id: hooks.remove_hook(parts().database, hook_id, actor=actor()),
        "",
        is_dangerous=True,
    ),
)
_RESENT = deferred("The event is sent again within a few seconds.")
_CHANGED = deferred("The hook gets these events from now on.")


def register(app: Flask) -> None:
    app.add_url_rule("/hooks", "hooks", show_hooks, methods=["GET"])
    app.add_url_rule("/hooks/new", "new_hook", ask_hook, methods=["GET"])
    app.add_url_rule("/hooks/new", "add_hook", add, methods=["POST"])
    app.add_url_rule(_HOOK, "hook", show_hook, methods=["GET"])
    app.add_url_rule(f"{_HOOK}/rotate", "ask_rotation", ask_rotation, methods=["GET"])
    app.add_url_rule(f"{_HOOK}/rotate", "rotate_hook", rotate, methods=["POST"])
    app.add_url_rule(f"{_HOOK}/types", "ask_hook_types", ask_types, methods=["GET"])
    app.add_url_rule(f"{_HOOK}/types", "change_hook_types", change_types, methods=["POST"])
    app.add_url_rule(f"{_HOOK}/replay", "ask_replay", ask_replay, methods=["GET"])
    app.add_url_rule(f"{_HOOK}/replay", "replay_events", replay, methods=["POST"])
    event = f"{_HOOK}/events/<int(max={_MAX_ID}):event_id>"
    app.add_url_rule(event, "ask_resend", ask_resend, methods=["GET"])
    app.add_url_rule(event, "resend_event", resend, methods=["POST"])
    app.add_url_rule(f"{event}/replay", "ask_replay_from", ask_replay_from, methods=["GET"])
    app.add_url_rule(f"{event}/replay", "replay_events_from", replay_from, methods=["POST"])
    for act in _ACTS:
        app.add_url_rule(f"{_HOOK}/{act.name}", f"ask_hook_{act.name}", _make_question(act), methods=["GET"])
        app.add_url_rule(f"{_HOOK}/{act.name}", f"change_hook_{act.name}", _make_change(act), methods=["POST"])


def status_words(hook: Hook) -> str:
    match hook.disabled_reason:
        case None:
            return _("enabled") if hook.failing_since is None else _("failing")
        case DisabledReason.GONE:
            return _("disabled: the receiver answered 410 (Gone)")
        case DisabledReason.FAILING:
            return _("disabled: no success for five days")
    return _("disabled")


@demands(Right.HOOK_CHANGE)
def show_hooks() -> str:
    listed = hooks.list_hooks(parts().database)
    done = _("The hook is removed.") if request.args.get("done") == "remove" else ""
    return render_template("hooks/hooks.html", hooks=listed, done=done, status_words=status_words, user=user())


@demands(Right.HOOK_CHANGE)
def show_hook(hook_id: int) -> str:
    hook = hooks.load_hook(parts().database, hook_id)
    deliveries = hooks.list_deliveries(parts().database, hook_id, limit=_DELIVERIES)
    sentences = {each.name: each.done for each in _ACTS} | {"resend": _RESENT, "types": _CHANGED}
    done = sentences.get(request.args.get("done", ""), "")
    count = request.args.get("replayed", type=int)
    states = {
        DeliveryState.WAITING: _("waiting"),
        DeliveryState.DELIVERED: _("received"),
        DeliveryState.GIVEN_UP: _("given up"),
    }
    return render_template(
        "hooks/hook.html",
        hook=hook,
        deliveries=deliveries,
        states=states,
        done=_(done) if done else _count_again(count) if count is not None else "",
        status_words=status_words,
        user=user(),
    )


@sensitive
@demands(Right.HOOK_CHANGE)
def ask_hook() -> str:
    return _render_new(HookForm())


@sensitive
@demands(Right.HOOK_CHANGE)
def add() -> _Answer:
    form, settings = HookForm(), parts().settings
    if not form.validate_on_submit():
        return _render_new(form), 422
    try:
        added = hooks.add_hook(
            parts().database,
            form.url.data.strip(),
            types=form.types.data,
            networks=settings.egress_networks or (),
            actor=actor(),
            secret_key=settings.secret_key or "",
        )
    except Refusal as refusal:
        form.url.errors = [say(refusal)]
        return _render_new(form), find_status(refusal)
    return _render_secret(added)


@demands(Right.HOOK_CHANGE)
def ask_types(hook_id: int) -> str:
    hook = hooks.load_hook(parts().database, hook_id)
    return _render_types(hook, TypesForm(types=hook.types))


@demands(Right.HOOK_CHANGE)
def change_types(hook_id: int) -> _Answer:
    form = TypesForm()
    if not form.validate_on_submit():
        return _render_types(hooks.load_hook(parts().database, hook_id), form), 422
    hooks.change_hook(parts().database, hook_id, types=form.types.data, actor=actor())
    return redirect(url_for("hook", hook_id=hook_id, done="types"))


@demands(Right.HOOK_CHANGE)
def ask_replay(hook_id: int) -> str:
    return _render_replay(hook_id, ReplayForm())


@demands(Right.HOOK_CHANGE)
def replay(hook_id: int) -> _Answer:
    form = ReplayForm()
    if not form.validate_on_submit():
        return _render_replay(hook_id, form), 422
    try:
        now = parts().database.run(read_clock)
        start = read_moment(form.start.data.strip(), user().time_zone, now=now, looks_back=True)
        count = hooks.replay_hook(parts().database, hook_id, from_time=start, actor=actor())
    except Refusal as refusal:
        form.start.errors = [say(refusal)]
        return _render_replay(hook_id, form), find_status(refusal)
    return redirect(url_for("hook", hook_id=hook_id, replayed=count))


@demands(Right.HOOK_CHANGE)
def ask_replay_from(hook_id: int, event_id: int) -> str:
    return _render_replay_from(hook_id, event_id)


@demands(Right.HOOK_CHANGE)
def replay_from(hook_id: int, event_id: int) -> _Answer:
    if not ConfirmForm().validate_on_submit():
        return _render_replay_from(hook_id, event_id), 422
    try:
        count = hooks.replay_hook(parts().database, hook_id, from_id=event_id, actor=actor())
    except Refusal as refusal:
        return _render_replay_from(hook_id, event_id, say(refusal)), find_status(refusal)
    return redirect(url_for("hook", hook_id=hook_id, replayed=count))


@sensitive
@demands(Right.HOOK_CHANGE)
def ask_rotation(hook_id: int) -> str:
    return _render_rotation(hook_id)


@sensitive
@demands(Right.HOOK_CHANGE)
def rotate(hook_id: int) -> _Answer:
    if not ConfirmForm().validate_on_submit():
        return _render_rotation(hook_id), 422
    secret_key = parts().settings.secret_key or ""
    return _render_secret(hooks.rotate_hook(parts().database, hook_id, actor=actor(), secret_key=secret_key))


@demands(Right.HOOK_CHANGE)
def ask_resend(hook_id: int, event_id: int) -> str:
    return _render_resend(hook_id, event_id)


@demands(Right.HOOK_CHANGE)
def resend(hook_id: int, event_id: int) -> _Answer:
    if not ConfirmForm().validate_on_submit():
        return _render_resend(hook_id, event_id), 422
    try:
        hooks.resend_delivery(parts().database, hook_id, event_id, actor=actor())
    except Refusal as refusal:
        return _render_resend(hook_id, event_id, say(refusal)), find_status(refusal)
    return redirect(url_for("hook", hook_id=hook_id, done="resend"))


def _make_question(act: _Act) -> Callable[[int], str]:
    @demands(Right.HOOK_CHANGE)
    def ask(hook_id: int) -> str:
        return _render_act(act, hook_id)

    return ask


def _make_change(act: _Act) -> Callable[[int], _Answer]:
    @demands(Right.HOOK_CHANGE)
    def change(hook_id: int) -> _Answer:
        if not ConfirmForm().validate_on_submit():
            return _render_act(act, hook_id), 422
        try:
            act.change(hook_id)
        except Refusal as refusal:
            return _render_act(act, hook_id, say(refusal)), find_status(refusal)
        if act.name == "remove":
            return redirect(url_for("hooks", done="remove"))
        return redirect(url_for("hook", hook_id=hook_id, done=act.name))

    return change


def _render_new(form: HookForm) -> str:
    return render_template("hooks/new.html", form=form, types=_type_words(), user=user())


def _render_secret(added: hooks.AddedHook) -> str:
    return render_template("hooks/secret.html", hook=added.hook, secret=added.secret, user=user())


def _render_act(act: _Act, hook_id: int, refusal: Markup | None = None) -> str:
    return _render_question(
        hook_id, _(act.title), _(act.note), _(act.button), refusal=refusal, is_dangerous=act.is_dangerous
    )


def _render_rotation(hook_id: int) -> str:
    note = _("The next page shows the new secret. For 24 hours each event has two signatures, one by each secret.")
    return _render_question(hook_id, _("Make a new secret?"), note, _("Make a new secret"))


def _render_types(hook: Hook, form: TypesForm) -> str:
    return render_template("hooks/types.html", hook=hook, form=form, types=_type_words(), user=user())


def _render_replay(hook_id: int, form: ReplayForm) -> str:
    hook = hooks.load_hook(parts().database, hook_id)
    return render_template("hooks/replay.html", hook=hook, form=form, user=user())


def _render_replay_from(hook_id: int, event_id: int, refusal: Markup | None = None) -> str:
    title = _("Send event %(event)s and all later events again?", event=event_id)
    note = _("Each event keeps its id, so a receiver that has it can leave it out.")
    return _render_question(hook_id, title, note, _("Send the events again"), refusal=refusal)


def _count_again(count: int) -> str:
    return plural(
        "%(count)s event is sent again within a few seconds.",
        "%(count)s events are sent again, one after the other.",
        count,
    )


def _render_resend(hook_id: int, event_id: int, refusal: Markup | None = None) -> str:
    title = _("Send event %(event)s again?", event=event_id)
    note = _("The event keeps its id, so a receiver that has it can leave it out.")
    return _render_question(hook_id, title, note, _("Send the event again"), refusal=refusal)


def _render_question(
    hook_id: int, title: str, note: str, button: str, *, refusal: Markup | None = None, is_dangerous: bool = False
) -> str:
    hook = hooks.load_hook(parts().database, hook_id)
    return render_template(
        "hooks/ask.html",
        hook=hook,
        title=title,
        note=note,
        button=button,
        refusal=refusal,
        look="danger" if is_dangerous else "plain",
        form=ConfirmForm(),
        user=user(),
    )


def _type_words() -> dict[str, str]:
    return {
        EventType.ACCOUNT_ACTIVATED: _("an account sends again"),
        EventType.ACCOUNT_DEACTIVATED: _("an account sends nothing more"),
        EventType.ACCOUNT_HEALTH_CHANGED: _("the health of an account has changed"),
        EventType.ACCOUNT_REPORTED: _("Meta has reported something about an account"),
        EventType.CAMPAIGN_APPROVAL_WANTED: _("a person asks for the approval of a campaign"),
        EventType.CAMPAIGN_CANCELLED: _("a campaign is cancelled"),
        EventType.CAMPAIGN_COMPLETED: _("a campaign has ended"),
        EventType.CAMPAIGN_EXPIRED: _("messages were not sent before the time of expiry"),
        EventType.CAMPAIGN_PAUSED: _("a campaign is paused"),
        EventType.CAMPAIGN_RESUMED: _("a campaign goes on"),
        EventType.CAMPAIGN_STARTED: _("a campaign begins to send"),
        EventType.CAMPAIGN_WAITING: _("a campaign waits"),
        EventType.EXPORT_READY: _("a download is ready"),
        EventType.IMPORT_FINISHED: _("a list was read"),
        EventType.MESSAGES_UNCERTAIN_OVERDUE: _("messages stay uncertain for long"),
        EventType.PERSON_OPTED_OUT: _("a person has opted out, with the phone"),
        EventType.TEMPLATE_STATUS_CHANGED: _("a template has another status"),
        EventType.WORKER_STALLED: _("a worker takes no tasks"),
    }
