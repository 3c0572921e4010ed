"""The answers that may be opt-outs: a person reads them, and decides."""

from __future__ import annotations

from flask import Flask, redirect, render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response

from campaigns.domain.statement import Refusal
from campaigns.domain.users.rights import Right
from campaigns.management import reviews as use_cases
from campaigns.store.optouts.reviews import count_restorable, list_reviews
from console.context import actor, parts, user
from console.errors import find_status
from console.forms.moves import ConfirmForm
from console.rights import demands
from console.texts import _, plural, say

_Answer = str | Response | tuple[str, int]
# The largest number of people on the page. The oldest answers come first, so the others follow when these are decided.
MAX_ROWS = 100


def register(app: Flask) -> None:
    app.add_url_rule("/optouts/review", "reviews", show, methods=["GET"])
    app.add_url_rule("/optouts/review", "decide_reviews", decide, methods=["POST"])


@demands(Right.OPTOUT_REVIEW)
def show() -> str:
    return _render()


@demands(Right.OPTOUT_REVIEW)
def decide() -> _Answer:
    """Accept answers at once. Before answers are dismissed, a page tells how many messages go out then."""
    ids = [number for number in request.form.getlist("review", int) if 0 < number < 2**63]
    if not ids:
        return _render(Markup.escape(_("Choose at least one answer."))), 422
    decision = request.form.get("decision", "")
    try:
        if decision == "accept":
            accepted = use_cases.accept(parts().database, ids, actor=actor())
            return redirect(url_for("reviews", accepted=accepted.person_count))
        if decision == "dismiss":
            people, messages = parts().database.run(count_restorable, ids)
            form = ConfirmForm()
            return render_template(
                "people/dismiss.html", ids=ids, people=people, messages=messages, form=form, user=user()
            )
        if decision == "dismiss for sure":
            dismissed = use_cases.dismiss(parts().database, ids, actor=actor())
            parts().enqueue(dismissed.to_enqueue)
            return redirect(url_for("reviews", dismissed=dismissed.person_count, restored=dismissed.restored_count))
    except Refusal as refusal:
        return _render(say(refusal)), find_status(refusal)
    return _render(Markup.escape(_("Choose one of the two buttons."))), 422


def _render(refusal: Markup | None = None) -> str:
    rows = parts().database.run(list_reviews)
    return render_template(
        "people/reviews.html",
        rows=rows[:MAX_ROWS],
        count=len(rows),
        form=ConfirmForm(),
        refusal=refusal,
        done=_read_done(),
        user=user(),
    )


def _read_done() -> list[str]:
    """Return sentences about the decision that led to this page."""
    accepted, dismissed, restored = (request.args.get(each, 0, int) for each in ("accepted", "dismissed", "restored"))
    sentences = (
        (accepted, _say_accepted),
        (dismissed, _say_dismissed),
        (restored, _say_restored),
    )
    return [write(count) for count, write in sentences if count > 0]


def _say_accepted(count: int) -> str:
    return plural("%(count)s person gets no messages any more.", "%(count)s people get no messages any more.", count)


def _say_dismissed(count: int) -> str:
    return plural("%(count)s person gets marketing again.", "%(count)s people get marketing again.", count)


def _say_restored(count: int) -> str:
    return plural(
        "%(count)s skipped message is sent after all.", "%(count)s skipped messages are sent after all.", count
    )
