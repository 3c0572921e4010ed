"""The settings of a person: language, time zone, live numbers, password, sessions; and links to those for all."""

from __future__ import annotations

from flask import Flask, abort, redirect, render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response

from campaigns.domain.statement import Refusal
from campaigns.domain.users.rights import Right
from campaigns.management.users.sessions import end_session_of, end_sessions, list_sessions
from campaigns.management.users.users import UserChanges, change_user
from console.context import actor, console_session, is_by_proxy, parts, user
from console.errors import find_status
from console.forms.moves import ConfirmForm
from console.forms.users import NewPasswordForm, SettingsForm
from console.rights import demands, sensitive
from console.templating import is_open
from console.texts import _, say
from console.typed import keeps_typed

_Answer = str | Response | tuple[str, int]
# The sentence about the change that led to the page, by the value of `done` in the address.
_DONE = {
    "changed": lambda: _("Your settings are kept."),
    "ended": lambda: _("The other browsers are signed out."),
    "one": lambda: _("One browser is signed out."),
}


def register(app: Flask) -> None:
    app.add_url_rule("/settings", "settings", show_settings, methods=["GET"])
    app.add_url_rule("/settings", "change_settings", change_settings, methods=["POST"])
    app.add_url_rule("/settings/password", "own_password", ask_password, methods=["GET"])
    app.add_url_rule("/settings/password", "change_own_password", change_password, methods=["POST"])
    app.add_url_rule("/settings/sessions", "end_own_sessions", end_own_sessions, methods=["POST"])
    app.add_url_rule("/settings/sessions/end", "end_own_session", end_one_session, methods=["POST"])


@keeps_typed
@demands(Right.SEE)
def show_settings() -> str:
    columns = ("language", "time_zone", "wants_updates")
    return _render(SettingsForm(data={name: getattr(user(), name) for name in columns}))


@demands(Right.SEE)
def change_settings() -> _Answer:
    form = SettingsForm()
    if not form.validate_on_submit():
        return _render(form), 422
    changes = UserChanges(
        language=form.language.data, time_zone=form.time_zone.data, wants_updates=form.wants_updates.data
    )
    change_user(parts().database, user().name, changes, actor=actor())
    return redirect(url_for("settings", done="changed"))


@demands(Right.SEE)
def end_own_sessions() -> Response:
    """End the sessions in all other browsers."""
    _demand_own_login()
    end_sessions(parts().database, user().user_id, actor=actor(), kept=console_session().token)
    return redirect(url_for("settings", done="ended"))


@demands(Right.SEE)
def end_one_session() -> Response:
    """End the session in one other browser, or in this one. A session that has ended already stays ended."""
    _demand_own_login()
    end_session_of(parts().database, user().user_id, request.form.get("session", ""), actor=actor())
    return redirect(url_for("settings", done="one"))


@sensitive
@demands(Right.SEE)
def ask_password() -> str:
    _demand_own_login()
    return _render_password(NewPasswordForm())


@sensitive
@demands(Right.SEE)
def change_password() -> _Answer:
    """Change the own password, which ends all sessions, also the present one."""
    _demand_own_login()
    form = NewPasswordForm()
    if not form.validate_on_submit():
        return _render_password(form), 422
    changes = UserChanges(password=form.password.data)
    try:
        change_user(parts().database, user().name, changes, actor=actor(), hasher=parts().hasher)
    except Refusal as refusal:
        form.password.errors = [say(refusal)]
        return _render_password(form), find_status(refusal)
    return redirect(url_for("login", done="password"))


def _demand_own_login() -> None:
    """Refuse a user whom a proxy has signed in: with a password here, such a user could sign in without the proxy."""
    if is_by_proxy():
        abort(403, _("A proxy signs you in, so your password and your sessions are not kept here."))


def _render(form: SettingsForm) -> str:
    done = request.args.get("done")
    sessions = [] if is_by_proxy() else list_sessions(parts().database, user().user_id, token=console_session().token)
    return render_template(
        "settings/settings.html",
        form=form,
        confirm=ConfirmForm(),
        sessions=sessions,
        for_all=[each for each in _list_for_all() if is_open(each[0])],
        done=_DONE[done]() if done in _DONE else "",
        user=user(),
    )


def _list_for_all() -> list[tuple[str, str, str]]:
    """Return the pages of what all people share: the endpoint, the title, and what is there."""
    return [
        ("users", _("Users"), _("who may sign in, and what they may do")),
        ("prices", _("Prices"), _("what WhatsApp charges for a message")),
        ("accounts", _("Accounts"), _("the phone numbers that send")),
        ("audit", _("Audit"), _("who changed what")),
        ("hooks", _("Hooks"), _("other programs that hear of events")),
    ]


def _render_password(form: NewPasswordForm) -> str:
    back = url_for("settings")
    return render_template(
        "users/password.html", form=form, person=user().name, is_own=True, back=back, refusal=Markup(), user=user()
    )
