"""The second step of a draft: a list is uploaded. It stays stored when the person leaves the page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from urllib.parse import unquote

from flask import Flask, redirect, request, url_for
from werkzeug.wrappers import Response

from campaigns.domain.audience.conditions import Common
from campaigns.domain.campaign import CampaignStatus
from campaigns.domain.statement import Refusal
from campaigns.domain.users.rights import Right
from campaigns.management.files.jobs import discard_newer_list, find_list, request_look
from campaigns.management.files.sentences import read_refusal
from campaigns.management.files.uploads import cut_pieces, refuse_large, store_upload
from campaigns.management.listings.pages import CampaignFilter, page_campaigns
from campaigns.management.recipients import Reading
from campaigns.store.files.uploads import MAX_PIECE_BYTES
from campaigns.store.recipients import AudienceCount, list_audiences
from console.context import actor, parts
from console.errors import find_status
from console.forms.drafts import AudienceForm
from console.forms.lists import ListForm
from console.pages import CAMPAIGN
from console.pages.drafts.steps import load_draft, render_step
from console.rights import demands
from console.security import takes_file
from console.texts import _, say

_Answer = str | Response | tuple[str, int]
# The campaigns whose people a draft may take, and how many of them the page lists, the newest first.
_STARTED = (CampaignStatus.RUNNING, CampaignStatus.PAUSED, CampaignStatus.COMPLETED, CampaignStatus.CANCELLED)
_MOST_SOURCES = 100
_COMMON: Mapping[Common, Callable[[], str]] = {
    Common.GOT_NO_REPLY: lambda: _("got the message and did not reply"),
    Common.UNREAD: lambda: _("got the message and have not read it"),
    Common.READ_NO_REPLY: lambda: _("read the message and did not reply"),
    Common.REPLIED: lambda: _("replied"),
    Common.FAILED: lambda: _("their message was not delivered"),
    Common.WITHHELD: lambda: _("Meta withheld their message for now"),
}


def register(app: Flask) -> None:
    app.add_url_rule(f"{CAMPAIGN}/list", "draft_list", show, methods=["GET"])
    app.add_url_rule(f"{CAMPAIGN}/list", "upload_form", upload_form, methods=["POST"])
    app.add_url_rule(f"{CAMPAIGN}/list", "upload_file", upload_file, methods=["PUT"])
    app.add_url_rule(f"{CAMPAIGN}/list/discard", "discard_list", discard, methods=["POST"])


@demands(Right.CAMPAIGN_DRAFT)
def show(campaign_id: int) -> str:
    return render_list(campaign_id, ListForm())


@demands(Right.CAMPAIGN_DRAFT)
@takes_file
def upload_form(campaign_id: int) -> _Answer:
    """Take a list in a form, as a browser without scripts sends it."""
    load_draft(campaign_id)
    form = ListForm()
    if not form.validate_on_submit():
        return render_list(campaign_id, form), 422
    try:
        _store(campaign_id, form.file.data.filename, iter(lambda: form.file.data.stream.read(MAX_PIECE_BYTES), b""))
    except Refusal as refusal:
        form.file.errors = [say(refusal)]
        return render_list(campaign_id, form), find_status(refusal)
    return redirect(url_for("draft_columns", campaign_id=campaign_id))


@demands(Right.CAMPAIGN_DRAFT)
@takes_file
def upload_file(campaign_id: int) -> Response:
    """Take a list as the body of a request, as the script of the page sends it. A refusal is the text of the answer."""
    load_draft(campaign_id)
    try:
        _store(campaign_id, unquote(request.headers.get("X-File-Name", "")), cut_pieces(request.stream.read))
    except Refusal as refusal:
        return Response(say(refusal).striptags(), find_status(refusal), content_type="text/plain; charset=utf-8")
    return Response(status=201, headers={"Location": url_for("draft_columns", campaign_id=campaign_id)})


@demands(Right.CAMPAIGN_DRAFT)
def discard(campaign_id: int) -> Response:
    """Delete the list that is not in the draft. The draft keeps its people."""
    load_draft(campaign_id)
    discard_newer_list(parts().database, campaign_id, actor=actor())
    return redirect(url_for("draft_check", campaign_id=campaign_id))


def _store(campaign_id: int, name: str, pieces: Iterator[bytes]) -> None:
    """Store a list, and request a look at its columns. Raises Refusal; a list that did not arrive whole is deleted."""
    database, most = parts().database, parts().settings.upload_mb * 1_000_000
    upload = store_upload(database, name, pieces, max_bytes=most, actor=actor())
    request_look(database, campaign_id, upload.id, Reading(region=parts().settings.region), actor=actor())
    parts().enqueue_file_work()


def render_list(
    campaign_id: int,
    form: ListForm,
    audience: AudienceForm | None = None,
    found: AudienceCount | None = None,
) -> str:
    """Render the step. `found`: how many people of an earlier campaign fit the conditions of the form `audience`."""
    draft, file = load_draft(campaign_id), find_list(parts().database, campaign_id)
    wanted = CampaignFilter(statuses=_STARTED)
    return render_step(
        "drafts/list.html",
        "draft_list",
        draft,
        form=form,
        file=file,
        refusal=None if file is None else read_refusal(file.look),
        max_megabytes=parts().settings.upload_mb,
        audience=audience or AudienceForm(),
        found=found,
        sources=page_campaigns(parts().database, wanted, limit=_MOST_SOURCES).rows,
        common=[(who, write()) for who, write in _COMMON.items()],
        taken=parts().database.run(list_audiences, [campaign_id]).get(campaign_id),
        too_large=say(refuse_large(parts().settings.upload_mb * 1_000_000)).striptags(),
    )
