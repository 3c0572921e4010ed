"""Two campaigns beside each other: how far their messages came, how fast, and why messages failed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flask import Flask, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from campaigns.domain.campaign import CampaignStatus
from campaigns.domain.users.rights import Right
from campaigns.management.listings.outcomes import OPTOUT_DAYS, Outcome, count_failures, load_outcome
from campaigns.management.listings.pages import CampaignFilter, page_campaigns
from campaigns.management.prices.charges import CampaignCosts, show_campaign_costs
from campaigns.store.campaigns import SendingTimes
from console.context import parts, user
from console.pages import read_number
from console.pages.costs import sum_costs
from console.rights import demands
from console.texts import _, amounts_words, duration_words, fault_words, most_amounts, number, percent, plural, word
from console.views import view_campaigns

_OFFERED = 50
_COUNT = 2


@dataclass(frozen=True, slots=True)
class Cell:
    """A value of one campaign. `share`: its percentage; "" for none."""

    value: str
    share: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A row of a table: one cell per campaign. `is_part`: a part of the line before it."""

    label: str
    cells: Sequence[Cell]
    is_part: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """`name`: the last part of its id. `groups`: lines, each group with its title; "" for none."""

    name: str
    title: str
    groups: Sequence[tuple[str, Sequence[Line]]]


def register(app: Flask) -> None:
    app.add_url_rule("/campaigns/compare", "compare", show, methods=["GET"])


@demands(Right.SEE)
def show() -> str | Response | tuple[str, int]:
    ticked = [each for each in request.args.getlist("id") if each]
    if len(ticked) == _COUNT:  # the list of campaigns sends its ticks
        return redirect(url_for("compare", a=ticked[0], b=ticked[1]))
    given = [request.args.get(name, "") for name in ("a", "b")]
    if ticked:
        return _ask(ticked[0], _("Tick two campaigns, not one and not more."))
    if not all(given):
        return _ask(given[0] or given[1], _("Choose two campaigns.") if "b" in request.args else "")
    ids = [read_number(each) for each in given]
    if None in ids:
        return _ask("", _("The number of a campaign has digits only, such as 7."))
    if ids[0] == ids[1]:
        return _ask(given[0], _("These are not two campaigns. Choose another one."))
    outcomes = [load_outcome(parts().database, each) for each in ids if each is not None]
    return render_template(
        "outcomes/compare.html",
        views=view_campaigns([each.campaign for each in outcomes]),
        tables=[
            _list_progress(outcomes),
            _list_speed(outcomes),
            _list_costs([show_campaign_costs(parts().database, each.campaign.id) for each in outcomes]),
            _list_failures(outcomes),
        ],
        user=user(),
    )


def _ask(chosen: str, problem: str) -> str | tuple[str, int]:
    """Return the page that asks which campaigns to compare. `chosen`: the number of the first one, or ""."""
    started = [each for each in CampaignStatus if each is not CampaignStatus.DRAFT]
    page = page_campaigns(parts().database, CampaignFilter(statuses=started), limit=_OFFERED)
    html = render_template("outcomes/choose.html", campaigns=page.rows, chosen=chosen, problem=problem, user=user())
    return (html, 422) if problem else html


def _list_progress(outcomes: Sequence[Outcome]) -> Table:
    funnels = [each.funnel for each in outcomes]

    def line(label: str, part: str, whole: str = "", *, is_part: bool = False) -> Line:
        cells = []
        for funnel in funnels:
            count = getattr(funnel, part)
            cells.append(Cell(number(count), percent(count, getattr(funnel, whole)) if whole else ""))
        return Line(label, cells, is_part)

    optouts = plural(
        "Opted out within %(count)s day of the message", "Opted out within %(count)s days of the message", OPTOUT_DAYS
    )
    lines = [
        line(_("In the campaign"), "recipients"),
        line(_("Not sent on purpose"), "skipped", "recipients"),
        line(_("Not sent yet"), "to_send", "recipients"),
        line(_("Sent: WhatsApp has them"), "sent", "recipients"),
        line(_("delivered"), "delivered", "sent", is_part=True),
        line(_("read"), "read", "sent", is_part=True),
        line(_("replied"), "replied", "sent", is_part=True),
        line(_("Failed"), "failed", "recipients"),
        line(_("Uncertain: nobody knows whether WhatsApp has them"), "uncertain", "recipients"),
        Line(optouts, [_count_optouts(each) for each in outcomes]),
    ]
    return Table("progress", _("How far the messages came"), [("", lines)])


def _count_optouts(outcome: Outcome) -> Cell:
    count = outcome.optout_count
    return Cell(_("not known")) if count is None else Cell(number(count), percent(count, outcome.funnel.sent))


def _list_speed(outcomes: Sequence[Outcome]) -> Table:
    def line(label: str, write: Callable[[SendingTimes], str]) -> Line:
        cells = [Cell(write(each.times) if each.times else _("nothing sent")) for each in outcomes]
        return Line(label, cells)

    lines = [
        line(_("Messages per second, with all pauses"), write_rate),
        line(_("From the first message to half of them"), lambda each: duration_words(each.half_seconds)),
        line(_("From the first message to the last"), lambda each: duration_words(each.seconds)),
    ]
    return Table("speed", _("How fast they left"), [("", lines)])


def _list_costs(found: Sequence[CampaignCosts | None]) -> Table:
    def line(label: str, write: Callable[[CampaignCosts], str]) -> Line:
        return Line(label, [Cell(_("not counted yet") if each is None else write(each)) for each in found])

    lines = [
        line(_("So far"), write_cost),
        line(_("At most, at the start"), lambda each: most_amounts(each.estimate) or _("no price")),
        line(_("Billable"), lambda each: number(sum_costs(each.costs).billable)),
        line(_("Free"), lambda each: number(sum_costs(each.costs).free)),
        line(_("Not reported"), lambda each: number(sum_costs(each.costs).unknown)),
    ]
    return Table("cost", _("What they cost"), [("", lines)])


def write_cost(costs: CampaignCosts) -> str:
    """Return what a campaign has cost so far."""
    if not costs.has_prices:
        return _("no price")
    return amounts_words(sum_costs(costs.costs).amounts) or number(0)


def write_rate(times: SendingTimes) -> str:
    """Return the mean of the messages per second."""
    if times.rate is None:
        return _("not known")
    return number(round(times.rate, 1 if times.rate >= 1 else 3))


def _list_failures(outcomes: Sequence[Outcome]) -> Table:
    """Return a table with a group for each party at fault, and a line for each code."""
    counts: dict[str, dict[tuple[str, int | None], list[int]]] = {}
    for place, outcome in enumerate(outcomes):
        for each in count_failures(outcome.errors):
            by_code = counts.setdefault(each.fault, {})
            by_code.setdefault((each.meaning, each.code), [0] * len(outcomes))[place] += each.count
    groups = [
        (fault_words(fault), [_write_failure(*key, found, outcomes) for key, found in by_code.items()])
        for fault, by_code in counts.items()
    ]
    return Table("failures", _("Why messages failed or are uncertain"), groups)


def _write_failure(meaning: str, code: int | None, counts: Sequence[int], outcomes: Sequence[Outcome]) -> Line:
    label = word(meaning) if code is None else _("%(meaning)s (code %(code)s)", meaning=word(meaning), code=code)
    pairs = zip(counts, outcomes, strict=True)
    return Line(label, [Cell(number(count), percent(count, each.funnel.recipients)) for count, each in pairs])
