"""Pauses or cancels all campaigns that a filter chooses. The page before it names each campaign, and states numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from flask import Flask, abort, redirect, render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response

from campaigns.domain.campaign import STARTED, TRANSITIONS, CampaignStatus, Command
from campaigns.domain.statement import Refusal
from campaigns.management.lifecycle import ids_to_enqueue
from campaigns.management.listings.pages import MAX_ROWS, page_campaigns
from campaigns.store.campaigns import list_campaigns
from console.context import actor, parts, user
from console.errors import find_status
from console.forms.moves import CancelManyForm, ConfirmForm, ManyForm
from console.pages import read_number
from console.pages.campaigns import read_filter
from console.pages.moves import KINDS, Kind
from console.rights import demands
from console.texts import say
from console.views import CampaignView

_Answer = str | Response | tuple[str, int]
_MANY = (Command.PAUSE, Command.CANCEL)
# A draft has sent nothing; a person deletes it.
_CHANGED = STARTED | {CampaignStatus.PAUSED}


def register(app: Flask) -> None:
    for kind in KINDS:
        if kind.command in _MANY:
            rule = f"/campaigns/{kind.command}"
            app.add_url_rule(rule, f"confirm_{kind.command}_many", _make_question(kind), methods=["GET"])
            app.add_url_rule(rule, f"{kind.command}_many", _make_change(kind), methods=["POST"])


def _make_question(kind: Kind) -> Callable[[], _Answer]:
    @demands(kind.right)
    def ask() -> _Answer:
        """Show the campaigns of the filter that the command can change. The form has their ids."""
        wanted, kept = read_filter()
        page = page_campaigns(parts().database, wanted, limit=MAX_ROWS)
        found = [CampaignView(row) for row in page.rows if row.status in _CHANGED & TRANSITIONS[kind.command].keys()]
        return _render(kind, found, _make_form(kind, found), kept=kept, has_more=page.next_key is not None)

    return ask


def _make_change(kind: Kind) -> Callable[[], _Answer]:
    @demands(kind.right)
    def change() -> _Answer:
        """Change the campaigns that the page has shown: all of them, or none if one refuses."""
        rows = parts().database.run(list_campaigns, _read_ids())
        shown = [CampaignView(row) for row in rows]
        form = _make_form(kind, shown)
        if not rows or not form.validate_on_submit():
            return _render(kind, shown, form), 422
        try:
            moves = kind.change(parts().database, [row.id for row in rows], actor=actor())
        except Refusal as refusal:
            return _render(kind, shown, form, refusal=say(refusal)), find_status(refusal)
        parts().enqueue(ids_to_enqueue(moves))
        return redirect(url_for("campaigns", done=kind.done, count=len(moves)))

    return change


def _make_form(kind: Kind, shown: list[CampaignView]) -> ConfirmForm:
    form = CancelManyForm() if kind.command is Command.CANCEL else ManyForm()
    form.wanted_count = str(len(shown))
    form.ids.data = ",".join(str(each.row.id) for each in shown)
    return form


def _read_ids() -> list[int]:
    words = [each for each in request.form.get("ids", "").split(",") if each]
    ids = {read_number(each) for each in words}
    if len(words) > MAX_ROWS or not all(ids):
        abort(400)
    return sorted(each for each in ids if each)


def _render(
    kind: Kind,
    shown: list[CampaignView],
    form: ConfirmForm,
    *,
    kept: Mapping[str, str | Sequence[str]] = MappingProxyType({}),
    has_more: bool = False,
    refusal: Markup | None = None,
) -> str:
    return render_template(
        "many.html",
        command=kind.command,
        campaigns=shown,
        pending=sum(each.pending for each in shown),
        sending=sum(each.sending for each in shown),
        form=form,
        kept=kept,
        has_more=has_more,
        refusal=refusal,
        user=user(),
    )
