"""An admin loads a price list after a page has shown what it changes, or removes the prices of one day."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from flask import Flask, abort, redirect, render_template, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response

from campaigns.domain.controls import escape_controls
from campaigns.domain.prices.price_list import Category, group_by_market
from campaigns.domain.statement import Refusal, Sentence, deferred
from campaigns.domain.users.actor import Actor
from campaigns.domain.users.rights import Right
from campaigns.management.prices.cards import show_cards
from campaigns.management.prices.loading import PriceChanges, compare_prices, load_prices, remove_prices
from console.context import actor, parts, user
from console.errors import find_status
from console.forms.prices import MAX_BYTES, LoadPricesForm, PriceFileForm, RemovePricesForm
from console.pages.settings.prices import find_today, read_day
from console.rights import demands
from console.security import takes_file
from console.texts import _, say

_Answer = str | Response | tuple[str, int]
Result = TypeVar("Result")
_TOO_LARGE = deferred("This file is too large for a price list.")
_SHOWN_CHANGES = 100


def register(app: Flask) -> None:
    app.add_url_rule("/settings/prices/load", "new_prices", ask_file, methods=["GET"])
    app.add_url_rule("/settings/prices/load", "check_prices", check, methods=["POST"])
    app.add_url_rule("/settings/prices/load/confirm", "load_prices", load, methods=["POST"])
    app.add_url_rule("/settings/prices/remove/<day>", "ask_remove_prices", ask_remove, methods=["GET"])
    app.add_url_rule("/settings/prices/remove/<day>", "remove_prices", remove, methods=["POST"])


@demands(Right.PRICES_CHANGE)
def ask_file() -> str:
    return _render_file(PriceFileForm())


@demands(Right.PRICES_CHANGE)
@takes_file
def check() -> _Answer:
    """Show what a file changes. Nothing is stored: the page carries the file until the admin confirms."""
    form = PriceFileForm()
    if not form.validate_on_submit():
        return _render_file(form), 422
    name = escape_controls(Path(form.file.data.filename).name)
    try:
        changes = _with_file(form.content, lambda path: compare_prices(parts().database, path, name=name))
    except Refusal as refusal:
        return _render_file(form, refusal), find_status(refusal)
    shown = {"encoded": base64.b64encode(form.content).decode(), "name": name, "seen": changes.digest}
    # Without the request, because its fields are those of the page before.
    return _render_changes(LoadPricesForm(None, data=shown), changes)


@demands(Right.PRICES_CHANGE)
@takes_file
def load() -> _Answer:
    form = LoadPricesForm()
    content, name = form.read_content(), form.name.data or ""
    if content is None or len(content) > MAX_BYTES:
        abort(400)
    database = parts().database
    try:
        changes = _with_file(content, lambda path: compare_prices(database, path, name=name))
        if not form.validate_on_submit():
            return _render_changes(form, changes), 422
        if form.seen.data != changes.digest:
            form.seen.data = changes.digest
            return _render_changes(form, changes, is_changed=True), 409
        by = _give_reason(form.reason.data)
        _with_file(content, lambda path: load_prices(database, path, actor=by, name=name))
    except Refusal as refusal:
        return _render_file(PriceFileForm(None), refusal), find_status(refusal)
    return redirect(url_for("prices", done="loaded"))


for _view in (check, load):
    _view.too_large = _TOO_LARGE  # type: ignore[attr-defined]


@demands(Right.PRICES_CHANGE)
def ask_remove(day: str) -> str:
    return _render_remove(day, RemovePricesForm())


@demands(Right.PRICES_CHANGE)
def remove(day: str) -> _Answer:
    form, first_day = RemovePricesForm(), read_day(day)
    if first_day is None:
        abort(404)
    if not form.validate_on_submit():
        return _render_remove(day, form), 422
    remove_prices(parts().database, first_day, actor=_give_reason(form.reason.data))
    return redirect(url_for("prices", done="removed", removed=day))


def _give_reason(text: str | None) -> Actor:
    return replace(actor(), reason=(text or "").strip() or None)


def _with_file(content: bytes, work: Callable[[Path], Result]) -> Result:
    """Return the result of a use case that reads a file."""
    with tempfile.TemporaryDirectory(prefix="revoada-") as folder:
        path = Path(folder) / "prices.csv"
        path.write_bytes(content)
        return work(path)


def _render_file(form: PriceFileForm, refusal: Refusal | None = None) -> str:
    return render_template(
        "settings/price_file.html",
        form=form,
        refusal=None if refusal is None else say(refusal),
        problems=_list_problems(refusal),
        user=user(),
    )


def _list_problems(refusal: Refusal | None) -> Sequence[Markup]:
    """Return what is wrong by row; nothing if the file as a whole cannot be read."""
    problem = None if refusal is None else refusal.values.get("problem")
    return [say(each) for each in problem.values.get("problems", ())] if isinstance(problem, Sentence) else []


def _render_changes(form: LoadPricesForm, changes: PriceChanges, *, is_changed: bool = False) -> str:
    return render_template(
        "settings/price_changes.html",
        form=form,
        changes=changes,
        new_rows=group_by_market(changes.new),
        most=_SHOWN_CHANGES,
        categories=list(Category),
        is_changed=is_changed,
        user=user(),
    )


def _render_remove(day: str, form: RemovePricesForm) -> str:
    first_day = read_day(day)
    shown = show_cards(parts().database, today=find_today(), chosen=first_day)
    if not shown.rows:
        abort(404, _("There are no prices with this first day. Somebody may have removed them."))
    card = next(each for each in shown.cards if each.valid_from == first_day)
    return render_template("settings/price_removal.html", card=card, form=form, refusal=None, user=user())
