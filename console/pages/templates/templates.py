"""All templates: what can be sent, who uses it and how it did. The filters are in the address."""

from __future__ import annotations

from flask import Flask, render_template, request, url_for

from campaigns.domain.users.rights import Right
from campaigns.management.drafts.gallery import GalleryFilter, GalleryKey, find_uses, page_gallery
from campaigns.store.accounts import list_accounts
from console.context import parts, user
from console.pages.templates.sync import News, read_from_meta
from console.rights import demands

# The campaigns that are named with a template.
_CAMPAIGNS = 3


def register(app: Flask) -> None:
    app.add_url_rule("/templates", "templates", show, methods=["GET"])
    app.add_url_rule("/templates", "read_templates", read, methods=["POST"])


@demands(Right.SEE)
def show() -> str:
    return _render()


@demands(Right.TEMPLATE_SYNC)
def read() -> tuple[str, int]:
    """Read the templates from Meta, and show the page again with what changed."""
    news, status = read_from_meta()
    return _render(news), status


def _render(news: News | None = None) -> str:
    database, wanted = parts().database, _read_filter()
    kept = {name: value for name in GalleryFilter.__slots__ if (value := getattr(wanted, name))}
    gallery = page_gallery(database, wanted, after=_read_key(request.args.get("after", "")))
    senders: dict[str, list[str]] = {}
    accounts = database.run(list_accounts)
    for account in accounts:
        senders.setdefault(account.waba_id, []).append(account.name)
    following = None
    if gallery.page.next_key is not None:
        following = url_for("templates", **(kept | {"after": ":".join(gallery.page.next_key)}))
    return render_template(
        "templates/templates.html",
        gallery=gallery,
        uses=find_uses(database, [(each.row.name, each.row.language) for each in gallery.page.rows], limit=_CAMPAIGNS),
        wanted=wanted,
        kept=kept,
        is_filtered=bool(kept) or "after" in request.args,
        following=following,
        senders=senders,
        accounts=[each.name for each in accounts],
        news=news,
        user=user(),
    )


def _read_filter() -> GalleryFilter:
    given = {name: request.args.get(name, "").strip() for name in GalleryFilter.__slots__}
    return GalleryFilter(**given)


def _read_key(text: str) -> GalleryKey | None:
    name, _separator, language = text.partition(":")
    return (name, language) if name else None
