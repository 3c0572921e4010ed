"""The tokens of the API: a person adds and revokes their own, and an admin sees and revokes those of all."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Flask, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from campaigns.domain.statement import Refusal, deferred
from campaigns.domain.users.rights import Right, Role
from campaigns.domain.users.scopes import Scope, list_scopes
from campaigns.management.users.tokens import add_token, revoke_token
from campaigns.store.users.tokens import Token, list_tokens
from console.context import actor, may, parts, user
from console.errors import find_status
from console.forms.moves import ConfirmForm
from console.forms.tokens import NewTokenForm
from console.rights import demands, sensitive
from console.texts import _, say

_Answer = str | Response | tuple[str, int]
_TOKEN = f"/settings/tokens/<int(max={2**63 - 1}):token_id>"
_DAYS = "90"
# What each scope opens. A scope without words is shown by its name.
SCOPES: Mapping[Scope, str] = {
    Scope.CAMPAIGNS_READ: deferred("see campaigns, their progress and their costs"),
    Scope.CAMPAIGNS_WRITE: deferred("make, change and delete drafts, and add their people"),
    Scope.CAMPAIGNS_SEND: deferred(
        "start, test, approve, pause, resume, cancel and retry campaigns; send single messages"
    ),
    Scope.MESSAGES_READ: deferred("see what single people get, with their phones"),
    Scope.EXPORTS: deferred("download the messages of campaigns, with their phones"),
    Scope.ACCOUNTS_READ: deferred("see accounts and portfolios"),
    Scope.ACCOUNTS_WRITE: deferred("add and change accounts and portfolios"),
    Scope.TEMPLATES_READ: deferred("see templates"),
    Scope.TEMPLATES_SYNC: deferred("read the templates from Meta again"),
    Scope.SUPPRESSIONS_READ: deferred("see who has opted out, with their phones"),
    Scope.SUPPRESSIONS_WRITE: deferred("opt people out, and let them get messages again"),
    Scope.AUDIT_READ: deferred("see who changed what"),
    Scope.SYSTEM_READ: deferred("see what is wrong, and the processes"),
    Scope.HOOKS: deferred("add and change the addresses that get a POST for each event"),
}
# The field of the form to which a refusal belongs.
_FIELDS = {
    "api_token_name_invalid": "name",
    "api_token_scope_forbidden": "scopes",
    "api_token_scopes_missing": "scopes",
    "api_token_network_invalid": "networks",
    "api_token_days_out_of_range": "days",
}


def register(app: Flask) -> None:
    app.add_url_rule("/settings/tokens", "tokens", show, methods=["GET"])
    app.add_url_rule("/settings/tokens/new", "new_token", ask, methods=["GET"])
    app.add_url_rule("/settings/tokens/new", "add_token", add, methods=["POST"])
    app.add_url_rule(f"{_TOKEN}/revoke", "ask_revoke_token", ask_revoke, methods=["GET"])
    app.add_url_rule(f"{_TOKEN}/revoke", "revoke_token", revoke, methods=["POST"])


@demands(Right.SEE)
def show() -> str:
    done = _("The token is revoked. Requests with it are refused.") if request.args.get("done") == "revoked" else ""
    return render_template(
        "settings/tokens.html", tokens=_list_visible(), sees_all=may(Right.TOKEN_CHANGE), done=done, user=user()
    )


@sensitive
@demands(Right.SEE)
def ask() -> str:
    return _render(NewTokenForm(data={"days": _DAYS}))


@sensitive
@demands(Right.SEE)
def add() -> _Answer:
    """Add a token of the person, and show it. No other page shows it again."""
    form = NewTokenForm()
    if not form.validate_on_submit():
        return _render(form), 422
    known = set(Scope)
    try:
        added = add_token(
            parts().database,
            form.name.data,
            owner=user().name,
            scopes={Scope(each) for each in form.scopes.data if each in known},
            networks=(form.networks.data or "").replace(",", " ").split(),
            days=int(form.days.data),
            actor=actor(),
        )
    except Refusal as refusal:
        form[_FIELDS.get(refusal.code, "name")].errors = [say(refusal)]
        return _render(form), find_status(refusal)
    return render_template("settings/token_added.html", added=added, user=user())


@demands(Right.SEE)
def ask_revoke(token_id: int) -> str:
    return render_template("settings/token_revoke.html", token=_find(token_id), form=ConfirmForm(), user=user())


@demands(Right.SEE)
def revoke(token_id: int) -> Response:
    revoke_token(parts().database, _find(token_id).id, actor=actor())
    return redirect(url_for("tokens", done="revoked"))


def _list_visible() -> list[Token]:
    found = parts().database.run(list_tokens)
    return [each for each in found if may(Right.TOKEN_CHANGE) or each.owner == user().name]


def _find(token_id: int) -> Token:
    """Return a token that the person may see. Answers the request with 404 if there is none with this id."""
    found = next((each for each in _list_visible() if each.id == token_id), None)
    if found is None:
        abort(404, _("There is no such token."))
    return found


def _render(form: NewTokenForm) -> str:
    allowed = list_scopes(Role(user().role))
    words = {each: _(SCOPES[each]) if each in SCOPES else "" for each in Scope if each in allowed}
    return render_template("settings/token_new.html", form=form, scopes=words, user=user())
