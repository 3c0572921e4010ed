"""The own profile: the language and the time zone of the pages, the own password, and the own sessions."""

from __future__ import annotations

from flask import Flask, abort, redirect, render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response

from campaigns.domain.statement import Refusal
from campaigns.domain.users.rights import Right
from campaigns.management.users.sessions import end_sessions, list_sessions
from campaigns.management.users.users import UserChanges, change_user
from console.context import actor, console_session, is_by_proxy, parts, user
from console.errors import find_status
from console.forms.moves import ConfirmForm
from console.forms.users import NewPasswordForm, ProfileForm
from console.rights import demands, sensitive
from console.texts import _, say
from console.typed import keeps_typed

_Answer = str | Response | tuple[str, int]


def register(app: Flask) -> None:
    app.add_url_rule("/profile", "profile", show_profile, methods=["GET"])
    app.add_url_rule("/profile", "change_profile", change_profile, methods=["POST"])
    app.add_url_rule("/profile/password", "own_password", ask_password, methods=["GET"])
    app.add_url_rule("/profile/password", "change_own_password", change_password, methods=["POST"])
    app.add_url_rule("/profile/sessions", "end_own_sessions", end_own_sessions, methods=["POST"])


@keeps_typed
@demands(Right.SEE)
def show_profile() -> str:
    return _render(ProfileForm(data={"language": user().language, "time_zone": user().time_zone}))


@demands(Right.SEE)
def change_profile() -> _Answer:
    form = ProfileForm()
    if not form.validate_on_submit():
        return _render(form), 422
    changes = UserChanges(language=form.language.data, time_zone=form.time_zone.data)
    change_user(parts().database, user().name, changes, actor=actor())
    return redirect(url_for("profile", done="changed"))


@demands(Right.SEE)
def end_own_sessions() -> Response:
    """End the sessions in all other browsers."""
    _demand_own_login()
    end_sessions(parts().database, user().user_id, actor=actor(), kept=console_session().token)
    return redirect(url_for("profile", done="ended"))


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


def _render(form: ProfileForm) -> str:
    done = request.args.get("done")
    sessions = [] if is_by_proxy() else list_sessions(parts().database, user().user_id, token=console_session().token)
    return render_template(
        "users/profile.html",
        form=form,
        confirm=ConfirmForm(),
        sessions=sessions,
        done={"changed": _("Your settings are kept."), "ended": _("The other browsers are signed out.")}.get(
            done or ""
        ),
        user=user(),
    )


def _render_password(form: NewPasswordForm) -> str:
    back = url_for("profile")
    return render_template(
        "users/password.html", form=form, person=user().name, is_own=True, back=back, refusal=Markup(), user=user()
    )
