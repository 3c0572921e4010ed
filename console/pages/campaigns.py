"""The list of campaigns, with filters in the address."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from flask import Flask, abort, render_template, request, url_for

from campaigns.domain.campaign import CampaignStatus
from campaigns.domain.users.rights import Right
from campaigns.management.listings.pages import CampaignFilter, CampaignKey, page_campaigns
from campaigns.store.accounts import list_accounts
from console.context import parts, user
from console.rights import demands
from console.texts import _, plural
from console.views import view_campaigns


def register(app: Flask) -> None:
    app.add_url_rule("/campaigns", "campaigns", show_campaigns)


@demands(Right.SEE)
def show_campaigns() -> str:
    wanted, kept = read_filter()
    page = page_campaigns(parts().database, wanted, after=_read_key(request.args.get("after", "")))
    following = None
    if page.next_key is not None:
        following = url_for("campaigns", **(kept | {"after": _write_key(page.next_key)}))  # type: ignore[arg-type]
    return render_template(
        "campaigns.html",
        campaigns=view_campaigns(page.rows),
        following=following,
        wanted=wanted,
        kept=kept,
        is_filtered=wanted != CampaignFilter(statuses=[]) or "after" in request.args,
        statuses=list(CampaignStatus),
        accounts=[each.name for each in parts().database.run(list_accounts)],
        done=_read_done(),
        user=user(),
    )


def read_filter() -> tuple[CampaignFilter, dict[str, str | Sequence[str]]]:
    """Return the filter in the address, and the same filter for other addresses."""
    statuses = [each for each in request.args.getlist("status") if each]
    if not set(statuses) <= set(CampaignStatus):
        abort(400)
    text, account = request.args.get("text", "").strip(), request.args.get("account", "")
    template = request.args.get("template", "")
    is_mine = bool(request.args.get("mine"))
    wanted = CampaignFilter(
        statuses=[CampaignStatus(each) for each in statuses],
        text=text,
        account=account or None,
        made_by=user().name if is_mine else None,
        template=template,
    )
    mine = "yes" if is_mine else ""
    given = {"status": statuses, "text": text, "account": account, "mine": mine, "template": template}
    return wanted, {name: value for name, value in given.items() if value}


def _read_done() -> str:
    """Return a sentence about the change that led to this page."""
    count = request.args.get("count", 0, int)
    match request.args.get("done"):
        case "discarded":
            return _("The draft is deleted.")
        case "paused" if count > 0:
            return plural("%(count)s campaign is paused.", "%(count)s campaigns are paused.", count)
        case "cancelled" if count > 0:
            return plural("%(count)s campaign is cancelled.", "%(count)s campaigns are cancelled.", count)
        case _other:
            return ""


def _write_key(key: CampaignKey) -> str:
    return f"{key[0].astimezone(dt.UTC).isoformat()},{key[1]}"


def _read_key(text: str) -> CampaignKey | None:
    if not text:
        return None
    at, _comma, campaign_id = text.partition(",")
    try:
        created_at, number = dt.datetime.fromisoformat(at), int(campaign_id)
    except ValueError:
        abort(400)
    if created_at.tzinfo is None or not 0 < number < 2**63:
        abort(400)
    return created_at, number
