"""The opt-outs: people who must not be messaged. A person adds one or a file."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace

from flask import Flask, abort, redirect, render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response

from campaigns.domain.optout.recognition import Source
from campaigns.domain.statement import Refusal, deferred
from campaigns.domain.users.actor import Actor
from campaigns.domain.users.rights import Right
from campaigns.management.files.jobs import find_own_job, request_suppressions
from campaigns.management.files.sentences import read_refusal
from campaigns.management.files.uploads import store_upload
from campaigns.management.listings.pages import SuppressionFilter, SuppressionKey, page_suppressions
from campaigns.management.suppressions import suppress_phones
from campaigns.store.files.jobs import JobKind
from campaigns.store.files.uploads import MAX_PIECE_BYTES
from campaigns.store.optouts.reviews import count_reviews
from campaigns.store.optouts.suppressions import find_answered_campaigns
from campaigns.store.people import count_forgotten
from console.context import actor, parts, user
from console.errors import find_status
from console.forms.people import OptOutFileForm, OptOutForm
from console.pages.people.keys import seal, unseal
from console.rights import demands
from console.security import takes_file
from console.texts import _, say
from console.typed import keeps_typed

_Answer = str | Response | tuple[str, int]
_PAGE = "page"
_TOO_LARGE = deferred(
    "This file is too large. Leave out all columns but the phones, or split it into two files. Nothing was changed."
)


def register(app: Flask) -> None:
    app.add_url_rule("/optouts", "optouts", show, methods=["GET"])
    app.add_url_rule("/optouts/new", "new_optout", ask, methods=["GET"])
    app.add_url_rule("/optouts/new", "add_optout", add, methods=["POST"])
    app.add_url_rule("/optouts/file", "optout_file", ask_file, methods=["GET"])
    app.add_url_rule("/optouts/file", "add_optout_file", add_file, methods=["POST"])
    app.add_url_rule(f"/optouts/file/<int(max={2**63 - 1}):job_id>", "optout_file_read", watch_file, methods=["GET"])


@demands(Right.SEE)
def show() -> str:
    sources = _read_sources()
    page = page_suppressions(
        parts().database, SuppressionFilter(sources=sources), after=_read_key(request.args.get("after", ""))
    )
    following = None
    if page.next_key is not None:
        following = url_for("optouts", source=sources, after=_write_key(page.next_key))
    database = parts().database
    return render_template(
        "people/optouts.html",
        rows=page.rows,
        answered=database.run(find_answered_campaigns, page.rows),
        following=following,
        sources=list(Source),
        chosen=sources,
        is_filtered=bool(sources) or "after" in request.args,
        review_count=database.run(count_reviews)[0],
        forgotten_count=database.run(count_forgotten),
        done=_("This person gets no messages any more.") if request.args.get("done") == "added" else "",
        user=user(),
    )


@keeps_typed
@demands(Right.SUPPRESSION_CHANGE)
def ask() -> str:
    return _render_new(OptOutForm())


@demands(Right.SUPPRESSION_CHANGE)
def add() -> _Answer:
    form = OptOutForm()
    form.region = parts().settings.region
    if not form.validate_on_submit():
        return _render_new(form), 422
    reason, secret_key = form.reason.data.strip(), parts().settings.secret_key
    try:
        suppress_phones(parts().database, [form.number], actor=_give(reason), reason=reason, secret_key=secret_key)
    except Refusal as refusal:
        return _render_new(form, say(refusal)), find_status(refusal)
    return redirect(url_for("optouts", done="added"))


@keeps_typed
@demands(Right.SUPPRESSION_CHANGE)
def ask_file() -> str:
    return _render_file(OptOutFileForm())


@demands(Right.SUPPRESSION_CHANGE)
@takes_file
def add_file() -> _Answer:
    """Store a file, and let the role `files` suppress its people."""
    form = OptOutFileForm()
    if not form.validate_on_submit():
        return _render_file(form), 422
    database, settings, by = parts().database, parts().settings, _give(form.reason.data.strip())
    pieces = iter(lambda: form.file.data.stream.read(MAX_PIECE_BYTES), b"")
    most = settings.upload_mb * 1_000_000
    try:
        upload = store_upload(database, form.file.data.filename, pieces, max_bytes=most, actor=by)
    except Refusal as refusal:
        form.file.errors = [_(_TOO_LARGE) if refusal.code == "upload_too_large" else say(refusal)]
        return _render_file(form), find_status(refusal)
    column = (form.column.data or "").strip() or None
    sheet = (form.sheet.data or "").strip() or None
    job_id = request_suppressions(
        database, upload.id, actor=by, phone_column=column, sheet=sheet, region=settings.region
    )
    parts().enqueue_file_work()
    return redirect(url_for("optout_file_read", job_id=job_id))


add_file.too_large = _TOO_LARGE  # type: ignore[attr-defined]


@demands(Right.SUPPRESSION_CHANGE)
def watch_file(job_id: int) -> str:
    """Show how far the reading of a file is, and then its result."""
    job = find_own_job(parts().database, job_id, actor=actor())
    if job.kind != JobKind.SUPPRESS:
        abort(404)
    here = url_for("optout_file_read", job_id=job_id)
    return render_template("people/optouts_added.html", job=job, refusal=read_refusal(job), here=here, user=user())


def _give(reason: str) -> Actor:
    return replace(actor(), reason=reason)


def _read_sources() -> list[Source]:
    chosen = [each for each in request.args.getlist("source") if each]
    if not set(chosen) <= set(Source):
        abort(400)
    return [Source(each) for each in chosen]


def _write_key(key: SuppressionKey) -> str:
    """Return the key of a page for its address. It is encrypted, because it contains a phone."""
    return seal(json.dumps([key[0].astimezone(dt.UTC).isoformat(), *key[1:]]), kind=_PAGE)


def _read_key(text: str) -> SuppressionKey | None:
    if not text:
        return None
    at, recipient_key, source = json.loads(unseal(text, kind=_PAGE))
    return dt.datetime.fromisoformat(at), recipient_key, source


def _render_new(form: OptOutForm, refusal: Markup | None = None) -> str:
    return render_template("people/optout_new.html", form=form, refusal=refusal, user=user())


def _render_file(form: OptOutFileForm) -> str:
    most = parts().settings.upload_mb
    return render_template("people/optout_file.html", form=form, max_megabytes=most, user=user())
