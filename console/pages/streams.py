"""Live numbers: a stream of server-sent events, and the same fragments as one answer for browsers without a stream."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, cast

from flask import Flask, abort, current_app, g, render_template, request
from flask.wrappers import Response

from campaigns.domain.users.rights import Right
from campaigns.store.campaigns import list_campaigns
from campaigns.store.database import Database, DatabaseError
from campaigns.store.users.sessions import SessionUser, find_session
from campaigns.store.users.users import find_user
from console.context import console_session, is_by_proxy, parts, user
from console.live import Hub, Progress, Snapshot, TooManyStreamsError, Watch
from console.pages.campaign import read_done
from console.rights import demands
from console.texts import language
from console.views import CampaignView, list_left_out, read_left_out, view_campaigns

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

MAX_CAMPAIGNS = 50
RETRY_MILLISECONDS = 3000
# A proxy ends a connection that is silent for long.
COMMENT_SECONDS = 15.0
SESSION_SECONDS = 30.0
LIFE_SECONDS = 15 * 60.0
RETRY_AFTER_SECONDS = 10
_COMMENT = ":\n\n"
_TEMPLATES = {"campaign": "live/campaign.html", "row": "live/row.html"}


def register(app: Flask) -> None:
    app.add_url_rule("/live/<kind>", "live", show_stream)
    app.add_url_rule("/numbers/<kind>", "numbers", show_numbers)


@dataclass(frozen=True, slots=True)
class _Viewer:
    """The person who reads a stream.

    `session`: the token of the session, which the stream looks at again; None for a user whom a proxy has signed in.
    `has_done`: the page tells of the change that led to it.
    """

    app: Flask
    environ: WSGIEnvironment
    database: Database
    user: SessionUser
    session: str | None
    language: str
    has_done: bool

    @property
    def key(self) -> tuple[str, str, str]:
        """What a fragment depends on, besides its numbers: all people with the same key see the same fragments."""
        return self.language, self.user.role, self.user.time_zone

    @contextmanager
    def request(self) -> Iterator[None]:
        """Open a request context for a template. Flask closed that of the stream when the view returned."""
        with self.app.request_context(self.environ):
            g.user, g.language = self.user, self.language
            yield

    def has_signed_out(self) -> bool:
        """Tell whether the session has ended. This check does not keep the session alive.

        A user of a proxy has no session here. For such a user, tell whether the user was disabled or has another role.
        The proxy itself checks its user at each new stream.
        """
        try:
            if self.session is None:
                found = self.database.run(find_user, self.user.name)
                return found is None or found.disabled_at is not None or found.role != self.user.role
            return self.database.run(find_session, self.session) is None
        except DatabaseError:
            return False  # the hub shows on the page that Postgres does not answer


@demands(Right.SEE)
def show_stream(kind: str) -> Response | tuple[str, int, dict[str, str]]:
    campaign_ids, hub = _read_campaigns(kind), _hub()
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001  as Flask documents it
    session = None if is_by_proxy() else console_session().token
    has_done = kind == "campaign" and bool(request.args.get("done"))
    viewer = _Viewer(app, request.environ, parts().database, user(), session, language(), has_done)
    opened = ExitStack()
    try:
        watch = opened.enter_context(hub.watch(campaign_ids, session or f"proxy {viewer.user.name}"))
    except TooManyStreamsError:
        return "", 503, {"Retry-After": str(RETRY_AFTER_SECONDS)}
    response = Response(_stream(hub, watch, viewer, kind, campaign_ids), mimetype="text/event-stream")
    response.headers["X-Accel-Buffering"] = "no"
    response.call_on_close(opened.close)
    return response


@demands(Right.SEE)
def show_numbers(kind: str) -> str:
    """Return the fragments once, for a page that has no stream and asks every 10 seconds."""
    rows = parts().database.run(list_campaigns, _read_campaigns(kind))
    views = view_campaigns(rows)
    fragments = [_render(kind, each) for each in views]
    if kind == "campaign":
        fragments += [part for each in views for part in (_render_left_out(each), _render_done(each))]
    return "".join([*fragments, _render_state(None)])


def _stream(hub: Hub, watch: Watch, viewer: _Viewer, kind: str, campaign_ids: list[int]) -> Iterator[str]:
    """Yield an event for each snapshot in which a fragment differs from the one that the browser has."""
    shown: dict[str, str] = {}
    seen, now = 0, time.monotonic()
    ends_at, check_at, comment_at = now + LIFE_SECONDS, now + SESSION_SECONDS, now + COMMENT_SECONDS
    yield _COMMENT
    while not hub.is_stopping() and time.monotonic() < ends_at:
        snapshot = hub.wait(watch, campaign_ids, seen, seconds=COMMENT_SECONDS)
        if watch.is_over:
            yield _write_event("", name="full")  # the page asks every 10 seconds instead
            return
        if time.monotonic() >= check_at:
            check_at = time.monotonic() + SESSION_SECONDS
            if viewer.has_signed_out():
                yield _write_event("", name="signed-out")
                return
        changed = [] if snapshot is None else _list_changes(snapshot, viewer, kind, campaign_ids, shown)
        if snapshot is not None and changed:
            yield _write_event("".join(changed), number=snapshot.number)
        elif time.monotonic() >= comment_at:
            yield _COMMENT
        if changed or time.monotonic() >= comment_at:
            comment_at = time.monotonic() + COMMENT_SECONDS
        if snapshot is None:
            continue
        seen = snapshot.number
        views = [_view(snapshot.campaigns[each]) for each in campaign_ids if each in snapshot.campaigns]
        # Receipts arrive for some time after the end.
        is_over = not any(each.may_change for each in views) or time.monotonic() >= ends_at
        if not snapshot.is_away and is_over and all(each.has_ended for each in views):
            yield _write_event(_find_end(snapshot, viewer, kind, views))
            yield _write_event("", name="done")
            return


def _list_changes(
    snapshot: Snapshot, viewer: _Viewer, kind: str, campaign_ids: list[int], shown: dict[str, str]
) -> list[str]:
    """Return the fragments that differ from those that the browser has."""

    def render_state() -> str:
        with viewer.request():
            return _render_state(snapshot)

    def render(progress: Progress) -> str:
        view = _view(progress)
        with viewer.request():
            return _render(kind, view) + (_render_left_out(view) if kind == "campaign" else "")

    fragments = {"state": snapshot.render(("state", *viewer.key), render_state)}
    for campaign_id in campaign_ids:
        if (progress := snapshot.campaigns.get(campaign_id)) is not None:
            key = (kind, campaign_id, *viewer.key)
            fragments[str(campaign_id)] = snapshot.render(key, partial(render, progress))
            if viewer.has_done:
                with viewer.request():
                    fragments["done"] = _render_done(_view(progress))
    changed = {name: fragment for name, fragment in fragments.items() if shown.get(name) != fragment}
    shown.update(changed)
    return list(changed.values())


def _view(progress: Progress) -> CampaignView:
    return CampaignView(progress.row, progress.rate, progress.causes)


def _render(kind: str, campaign: CampaignView) -> str:
    return render_template(_TEMPLATES[kind], campaign=campaign, user=user(), is_fragment=True)


def _render_left_out(campaign: CampaignView, *, has_details: bool = False) -> str:
    left_out = read_left_out(campaign) if has_details else list_left_out(campaign)
    return render_template("live/left_out.html", campaign=campaign, left_out=left_out, user=user(), is_fragment=True)


def _render_done(campaign: CampaignView) -> str:
    return render_template("live/done.html", done=read_done(campaign), is_fragment=True)


def _find_end(snapshot: Snapshot, viewer: _Viewer, kind: str, campaigns: list[CampaignView]) -> str:
    def render() -> str:
        with viewer.request():
            return _render_end(snapshot, kind, campaigns)

    # The reasons why messages failed are read from all messages of a campaign, so once for all viewers.
    return snapshot.render(("end", kind, *(each.row.id for each in campaigns), *viewer.key), render)


def _render_end(snapshot: Snapshot, kind: str, campaigns: list[CampaignView]) -> str:
    """Return the last fragments of a stream: a person need not load the page again to see who got no message.

    If Postgres does not answer, the fragments lack the reasons why messages failed.
    """
    try:
        left_out = [_render_left_out(each, has_details=True) for each in campaigns] if kind == "campaign" else []
    except DatabaseError:
        left_out = []  # the page has them without reasons already
    return "".join([*left_out, _render_state(snapshot, has_ended=True)])


def _render_state(snapshot: Snapshot | None, *, has_ended: bool = False) -> str:
    return render_template("live/state.html", snapshot=snapshot, has_ended=has_ended, user=user(), is_fragment=True)


def _write_event(data: str, *, name: str | None = None, number: int | None = None) -> str:
    lines = [f"retry: {RETRY_MILLISECONDS}"]
    if name is not None:
        lines.append(f"event: {name}")
    if number is not None:
        lines.append(f"id: {number}")
    lines += [f"data: {line}" for line in data.splitlines() or [""]]
    return "\n".join(lines) + "\n\n"


def _read_campaigns(kind: str) -> list[int]:
    if kind not in _TEMPLATES:
        abort(404)
    try:
        campaign_ids = sorted({int(each) for each in request.args.get("ids", "").split(",") if each})
    except ValueError:
        abort(400)
    if not campaign_ids or len(campaign_ids) > MAX_CAMPAIGNS or not 0 < campaign_ids[0] <= campaign_ids[-1] < 2**63:
        abort(400)
    return campaign_ids


def _hub() -> Hub:
    return cast("Hub", current_app.extensions["revoada.hub"])
