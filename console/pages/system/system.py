"""The installation: what is wrong and what helps, processes, queues, the inbox, versions and settings."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Flask, render_template, request

from campaigns.config import list_settings
from campaigns.doctor.diagnose import repair_counters
from campaigns.doctor.system import describe_system
from campaigns.domain.statement import Finding
from campaigns.domain.users.rights import Right
from console.context import actor, parts, user
from console.rights import demands


def register(app: Flask) -> None:
    app.add_url_rule("/system", "system", show, methods=["GET"])
    app.add_url_rule("/system/repair", "repair", repair, methods=["POST"])


@demands(Right.SYSTEM_SEE)
def show() -> str:
    return _render()


@demands(Right.SYSTEM_REPAIR)
def repair() -> str:
    """Compare the counters with a recount and correct them. This sends nothing, so no page asks before."""
    return _render(repair_counters(parts().database, actor=actor()))


def _render(repaired: Sequence[Finding] | None = None) -> str:
    """Return the page. `repaired`: a finding for each campaign whose counters were wrong; None: nobody has looked."""
    settings = parts().settings
    broker = parts().ask_broker(asks_processes=request.args.get("ask") == "processes")
    return render_template(
        "system/system.html",
        system=describe_system(parts().database, settings, broker),
        repaired=repaired,
        settings=list_settings(settings),
        flower_url=settings.flower_url,
        user=user(),
    )
