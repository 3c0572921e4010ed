"""Reads the templates from Meta at the wish of a person, at most once a minute, and tells what changed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from flask import current_app
from markupsafe import Markup, escape

from campaigns.domain.statement import Refusal
from campaigns.management.drafts.gallery import page_gallery
from campaigns.management.templates import Change, sync_templates
from console.context import actor, parts
from console.errors import find_status
from console.texts import _, plural, say, word

# The shortest time between two reads of Meta's list of templates by this process. A list may have thousands of entries.
SYNC_SECONDS = 60
_SYNC = "revoada.template_sync"
_SHOWN_CHANGES = 20


@dataclass(frozen=True, slots=True)
class News:
    """What a reading of Meta's list has brought. `is_problem`: it could not be read, or not all of it."""

    lines: Sequence[Markup | str]
    is_problem: bool = False


def read_from_meta() -> tuple[News, int]:
    """Read the templates of all active accounts from Meta; return what changed, and the status of the answer."""
    tried_at = current_app.extensions.get(_SYNC)
    if tried_at is not None and time.monotonic() - tried_at < SYNC_SECONDS:
        return News([_("The list was read from Meta just now. Try again in a minute.")], is_problem=True), 429
    current_app.extensions[_SYNC] = time.monotonic()
    try:
        results = sync_templates(parts().database, parts().settings, actor=actor())
    except Refusal as refusal:
        return News([say(refusal)], is_problem=True), find_status(refusal)
    parts().enqueue(sorted({campaign_id for result in results for campaign_id in result.to_enqueue}))
    problems: list[Markup | str] = [say(why) for result in results if (why := result.explain()) is not None]
    changes = [_tell_change(each) for result in results for each in result.changes]
    read = sum(result.count for result in results if result.error is None)
    lines: list[Markup | str] = [plural("%(count)s template was read.", "%(count)s templates were read.", read)]
    if not read:
        lines = [_("Meta has no templates for these accounts.")]
        if page_gallery(parts().database, limit=1).page.rows:
            lines.append(_("The templates below were added by a command."))
    lines += changes[:_SHOWN_CHANGES] or ([_("Nothing has changed.")] if read else [])
    if (more := len(changes) - _SHOWN_CHANGES) > 0:
        lines.append(plural("%(count)s more has changed.", "%(count)s more have changed.", more))
    if not problems:
        return News(lines), 200
    if len(problems) < len(results):
        return News([*problems, *lines], is_problem=True), 503
    return News([*problems, _("The list below is the one that was read before.")], is_problem=True), 503


def _tell_change(change: Change) -> Markup | str:
    """Return what has changed at one template."""
    name = f"{change.name} ({change.language})"
    if change.kind == "new":
        return _("New: %(name)s, %(status)s.", name=name, status=word(change.status.replace("_", " ")))
    if change.kind == "gone":
        return _("Meta has %(name)s no longer.", name=name)
    details = "" if change.details is None else say(change.details)
    return Markup(_("Changed: %(name)s, %(details)s.", name=escape(name), details=details))  # noqa: S704  all escaped
