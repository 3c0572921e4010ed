"""The people of a campaign: who did not get it, and why. The filters are in the address; the list is also a file."""

from __future__ import annotations

from flask import Flask, abort, render_template, request, url_for
from werkzeug.wrappers import Response

from campaigns.domain.phone.mask import mask_numbers
from campaigns.domain.users.rights import Right
from campaigns.domain.verdict import FAULTS
from campaigns.management.files.jobs import request_export
from campaigns.management.listings.recipients import Group, RecipientFilter, page_recipients
from console.context import actor, parts, user
from console.pages import CAMPAIGN, read_number
from console.pages.downloads import choose_delimiter, wait_for_file
from console.rights import demands
from console.texts import _, fault_words, group_words
from console.views import NO_CODE, CampaignView

_MOST_TITLE = 300


def register(app: Flask) -> None:
    app.jinja_env.globals.update(link_reason=link_reason, group_words=group_words)
    app.add_url_rule(f"{CAMPAIGN}/people", "recipients", show, methods=["GET"])
    app.add_url_rule(f"{CAMPAIGN}/people/download", "prepare_recipients", prepare, methods=["POST"])


@demands(Right.SEE)
def show(campaign_id: int) -> str | tuple[str, int]:
    wanted, problem = _read_filter()
    kept = _keep()
    if problem:
        return _render(campaign_id, RecipientFilter(), kept, problem=problem), 422
    return _render(campaign_id, wanted, kept)


@demands(Right.PHONES_DOWNLOAD)
def prepare(campaign_id: int) -> Response:
    """Let the people whom the filter chooses be written to a file."""
    wanted, problem = _read_filter()
    if problem:
        abort(400)
    request_export(parts().database, campaign_id, actor=actor(), people=wanted, delimiter=choose_delimiter())
    return wait_for_file()


def link_reason(campaign_id: int, status: str, code: int | None, title: str | None) -> str:
    """Return the address of the list of the people whose message has this error.

    A title that may contain a phone is left out, because logs and the history of a browser keep addresses.
    """
    group = Group.IN_REVIEW if status == "suppressed" else Group(status)
    if group is Group.IN_REVIEW:
        return url_for("recipients", campaign_id=campaign_id, group=group.value)
    kept = title if title and mask_numbers(title) == title and len(title) <= _MOST_TITLE else None
    shown_code = NO_CODE if code is None else str(code)
    return url_for("recipients", campaign_id=campaign_id, group=group.value, code=shown_code, title=kept)


def _read_filter() -> tuple[RecipientFilter, str]:
    """Return the filter in the address, and what is wrong with its code."""
    group, fault = request.args.get("group", "") or Group.LIST, request.args.get("fault", "")
    if group not in set(Group) or fault not in {"", *FAULTS.values()}:
        abort(400)
    code, problem = request.args.get("code", "").strip(), ""
    title = request.args.get("title", "")
    number = None
    if code and code != NO_CODE:
        try:
            number = int(code)
        except ValueError:
            problem = _("The code of an error is a number, such as 131026.")
        else:
            problem = "" if abs(number) < 2**31 else _("The code of an error is a number, such as 131026.")
    wanted = RecipientFilter(
        group=Group(group), fault=fault, code=number, has_no_code=code == NO_CODE, title=title.replace("\0", "")
    )
    return wanted, problem


def _keep() -> dict[str, str]:
    """Return the filter as it stands in the address."""
    names = ("group", "fault", "code", "title")
    return {name: value for name in names if (value := request.args.get(name, "").strip())}


def _read_after() -> int:
    after = read_number(request.args.get("after") or "0")
    if after is None:
        abort(400)
    return after


def _render(campaign_id: int, wanted: RecipientFilter, kept: dict[str, str], *, problem: str = "") -> str:
    after = _read_after()
    found = page_recipients(parts().database, campaign_id, wanted, after=after)
    following = None
    if found.people.next_key is not None:
        following = url_for("recipients", campaign_id=campaign_id, after=found.people.next_key, **kept)  # type: ignore[arg-type]
    return render_template(
        "recipients.html",
        campaign=CampaignView(found.campaign),
        people=[] if problem else found.people.rows,
        following=None if problem else following,
        is_cut=found.is_cut,
        wanted=wanted,
        kept=kept,
        problem=problem,
        groups=[(each, group_words(each)) for each in Group],
        faults=[(each, fault_words(each)) for each in dict.fromkeys(FAULTS.values())],
        is_filtered=bool(set(kept) - {"group"}) or after > 0,
        user=user(),
    )
