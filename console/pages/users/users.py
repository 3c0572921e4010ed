"""The users who may sign in: an admin adds them, changes their role, gives a password, and ends their sessions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flask import Flask, redirect, render_template, request, url_for
from flask_wtf import FlaskForm
from markupsafe import Markup
from werkzeug.wrappers import Response

from campaigns.domain.statement import Refusal, deferred
from campaigns.domain.users.rights import Right, Role
from campaigns.management.users.sessions import end_sessions
from campaigns.management.users.users import UserChanges, add_user, change_user, find_user
from campaigns.store.users.users import User, list_users
from console.context import actor, parts, user
from console.errors import find_status
from console.forms.moves import ConfirmForm
from console.forms.users import NewPasswordForm, RoleForm, UserForm
from console.rights import demands, sensitive
from console.texts import _, say

_Answer = str | Response | tuple[str, int]
_USER = f"/users/<int(max={2**63 - 1}):user_id>"


@dataclass(frozen=True, slots=True)
class _Act:
    """A change of one user, which has a page of its own. `done`: the sentence after the change."""

    name: str
    make_form: Callable[[User], FlaskForm]
    change: Callable[[User, FlaskForm], object]
    done: str


def _set(person: User, **changes: object) -> User:
    wanted = UserChanges(**changes)  # type: ignore[arg-type]
    return change_user(parts().database, person.name, wanted, actor=actor(), hasher=parts().hasher)


_ACTS = (
    _Act(
        "role",
        lambda person: RoleForm(data=None if request.method == "POST" else {"role": person.role}),
        lambda person, form: _set(person, role=Role(form.role.data)),
        deferred("The role of %(name)s is changed. If the role is another one, %(name)s has to sign in again."),
    ),
    _Act(
        "password",
        lambda _person: NewPasswordForm(),
        lambda person, form: _set(person, password=form.password.data),
        deferred("The password of %(name)s is changed, and all sessions of %(name)s are ended."),
    ),
    _Act(
        "disable",
        lambda _person: ConfirmForm(),
        lambda person, _form: _set(person, is_enabled=False),
        deferred("%(name)s cannot sign in any more."),
    ),
    _Act(
        "enable",
        lambda _person: ConfirmForm(),
        lambda person, _form: _set(person, is_enabled=True),
        deferred("%(name)s may sign in again."),
    ),
    _Act(
        "sessions",
        lambda _person: ConfirmForm(),
        lambda person, _form: end_sessions(parts().database, person.id, actor=actor()),
        deferred("All sessions of %(name)s are ended."),
    ),
)


def register(app: Flask) -> None:
    app.add_url_rule("/users", "users", show_users, methods=["GET"])
    app.add_url_rule("/users/new", "new_user", ask_user, methods=["GET"])
    app.add_url_rule("/users/new", "add_user", add, methods=["POST"])
    app.add_url_rule(_USER, "user", show_user, methods=["GET"])
    for act in _ACTS:
        rule = f"{_USER}/{act.name}"
        app.add_url_rule(rule, f"ask_user_{act.name}", _make_question(act), methods=["GET"])
        app.add_url_rule(rule, f"change_user_{act.name}", _make_change(act), methods=["POST"])


@demands(Right.USER_CHANGE)
def show_users() -> str:
    return render_template("users/users.html", users=parts().database.run(list_users), user=user())


@demands(Right.USER_CHANGE)
def show_user(user_id: int) -> str:
    person = find_user(parts().database, user_id)
    done = next((each.done for each in _ACTS if each.name == request.args.get("done")), "")
    if request.args.get("done") == "added":
        done = deferred("%(name)s is added.")
    words = _(done, name=person.name) if done else ""
    return render_template("users/user.html", person=person, done=words, user=user())


@sensitive
@demands(Right.USER_CHANGE)
def ask_user() -> str:
    chosen = {"role": Role.VIEWER, "language": user().language, "time_zone": user().time_zone}
    return _render_new(UserForm(data=chosen))


@sensitive
@demands(Right.USER_CHANGE)
def add() -> _Answer:
    form = UserForm()
    if not form.validate_on_submit():
        return _render_new(form), 422
    try:
        added = add_user(
            parts().database,
            form.name.data,
            actor=actor(),
            role=Role(form.role.data),
            password=form.password.data or None,
            time_zone=form.time_zone.data,
            language=form.language.data,
            hasher=parts().hasher,
        )
    except Refusal as refusal:
        field = form.password if refusal.code.startswith("password_") else form.name
        field.errors = [say(refusal)]
        return _render_new(form), find_status(refusal)
    return redirect(url_for("user", user_id=added.id, done="added"))


def _make_question(act: _Act) -> Callable[[int], str]:
    @sensitive
    @demands(Right.USER_CHANGE)
    def ask(user_id: int) -> str:
        person = find_user(parts().database, user_id)
        return _render(act, person, act.make_form(person))

    return ask


def _make_change(act: _Act) -> Callable[[int], _Answer]:
    @sensitive
    @demands(Right.USER_CHANGE)
    def change(user_id: int) -> _Answer:
        person = find_user(parts().database, user_id)
        form = act.make_form(person)
        if not form.validate_on_submit():
            return _render(act, person, form), 422
        try:
            act.change(person, form)
        except Refusal as refusal:
            if not refusal.code.startswith("password_"):
                return _render(act, person, form, say(refusal)), find_status(refusal)
            form.password.errors = [say(refusal)]
            return _render(act, person, form), find_status(refusal)
        if person.id == user().user_id and act.name != "enable":
            # The change may have ended the present session or taken the right to see the users.
            return redirect(url_for("now"))
        return redirect(url_for("user", user_id=user_id, done=act.name))

    return change


def _render(act: _Act, person: User, form: FlaskForm, refusal: Markup | None = None) -> str:
    back = url_for("user", user_id=person.id)
    template = "users/password.html" if act.name == "password" else f"users/{act.name}.html"
    return render_template(
        template, person=person.name, target=person, form=form, refusal=refusal, is_own=False, back=back, user=user()
    )


def _render_new(form: UserForm) -> str:
    return render_template("users/new.html", form=form, user=user())
