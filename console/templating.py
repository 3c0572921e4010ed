"""The functions and filters of the templates."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from flask import Flask, current_app, request, url_for
from jinja2 import StrictUndefined

from campaigns.domain.account import CooldownReason, explain_deactivation
from campaigns.domain.users.rights import Right
from campaigns.management.recipients import SHOWN_OVERLAPS
from console import texts
from console.charts import outline
from console.context import is_by_proxy, may
from console.languages import choose_language
from console.rights import explain_right, find_demand
from console.texts import _
from console.typed import is_shown_again
from console.views import list_rows

_STATIC = Path(__file__).parent / "static"


def set_up_templates(app: Flask) -> None:
    environment = app.jinja_env
    environment.undefined = StrictUndefined
    environment.trim_blocks = environment.lstrip_blocks = True
    environment.globals.update(
        amounts_words=texts.amounts_words,
        advise=texts.advise,
        advise_activation=texts.advise_activation,
        asset=asset,
        blocked_words=texts.blocked_words,
        capped_words=texts.capped_words,
        category_word=texts.category_word,
        explain_right=explain_right,
        explain_row=texts.explain_row,
        fault_words=texts.fault_words,
        country_name=texts.country_name,
        clock_time=texts.clock_time,
        is_by_proxy=is_by_proxy,
        is_shown_again=is_shown_again,
        language=choose_language,
        language_name=texts.language_name,
        list_rows=list_rows,
        list_sections=list_sections,
        find_section=find_section,
        is_open=is_open,
        interval_words=texts.interval_words,
        limit_words=texts.limit_words,
        duration_words=texts.duration_words,
        event_word=texts.event_word,
        local_day=texts.local_day,
        local_time=texts.local_time,
        may=may,
        media_word=texts.media_word,
        message_word=texts.message_word,
        money=texts.money,
        month_name=texts.month_name,
        most_amounts=texts.most_amounts,
        number=texts.number,
        outline=outline,
        percent=texts.percent,
        plural=texts.plural,
        quality_word=texts.quality_word,
        reason_words=texts.reason_words,
        Right=Right,
        SHOWN_OVERLAPS=SHOWN_OVERLAPS,
        explain_cooldown=CooldownReason.explain,
        explain_deactivation=explain_deactivation,
        retry_words=texts.retry_words,
        reported_category=texts.reported_category,
        role_labels=texts.role_labels,
        role_notes=texts.role_notes,
        say=texts.say,
        seconds_apart=texts.seconds_apart,
        show_marks=texts.show_marks,
        size=texts.size,
        source_words=texts.source_words,
        style=texts.style,
        status_word=texts.status_word,
        unpriced_words=texts.unpriced_words,
        week_time=texts.week_time,
        weekday=texts.weekday,
        word=texts.word,
    )


def asset(name: str) -> str:
    """Return the address of a static file. The address changes with the file, so browsers may keep the file."""
    return url_for("static", filename=name, v=_digest(name))


@cache
def _digest(name: str) -> str:
    return hashlib.sha256((_STATIC / name).read_bytes()).hexdigest()[:12]


def list_sections() -> list[tuple[str, str]]:
    """Return the first page of each section that the user may open, with its name."""
    sections = [
        ("now", _("Now")),
        ("campaigns", _("Campaigns")),
        ("uncertain", _("Uncertain")),
        ("templates", _("Templates")),
        ("accounts", _("Accounts")),
        ("people", _("People")),
        ("optouts", _("Opt-outs")),
        ("downloads", _("Downloads")),
        ("cost", _("Costs")),
        ("audit", _("Audit")),
        ("system", _("System")),
        ("settings", _("Settings")),
    ]
    return [(endpoint, label) for endpoint, label in sections if is_open(endpoint)]


def find_section() -> str:
    """Return the section of the page of this request: the first part of its path names it."""
    first = request.path.strip("/").partition("/")[0]
    return "settings" if first in {"users", "hooks"} else first or "now"


def is_open(endpoint: str) -> bool:
    """Tell whether the user may open a page."""
    demand = find_demand(current_app, endpoint)
    return isinstance(demand, Right) and may(demand)
