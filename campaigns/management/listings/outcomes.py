"""What became of a campaign: its funnel, failures, speed and opt-outs, for its report and beside another campaign."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from zoneinfo import ZoneInfo

from campaigns.domain.filling import fill
from campaigns.domain.message import Status
from campaigns.domain.prices.costs import add_up, write_amount
from campaigns.domain.template import TemplateError
from campaigns.domain.users.actor import Act, Actor
from campaigns.management.layouts import Layout, lay_out
from campaigns.management.prices.charges import CampaignCosts, show_campaign_costs
from campaigns.management.reports import CampaignErrors, Funnel, read_funnel, show_errors
from campaigns.management.template_choice import read_template
from campaigns.store import accounts, campaigns, templates
from campaigns.store.campaigns import CampaignListing, SendingTimes
from campaigns.store.database import Connection, Database
from campaigns.store.users.audit import AuditEvent, AuditFilter, page_audit, write_audit

# An opt-out counts for a campaign if it came at most this number of days after the message.
OPTOUT_DAYS = 7
# The acts that a report names, and how many events of each: a campaign may be paused a hundred times.
_ACTS = (
    *(Act.CAMPAIGN_CREATE, Act.CAMPAIGN_COPY, Act.CAMPAIGN_APPROVE, Act.CAMPAIGN_START, Act.CAMPAIGN_PAUSE),
    *(Act.CAMPAIGN_RESUME, Act.CAMPAIGN_CANCEL),
)
_SHOWN_ACTS = 2

_FACTS = ("id", "name", "status", "template_name", "language", "time_zone")
_TIMES = ("created_at", "scheduled_at", "started_at", "completed_at", "cancelled_at")
REPORT_COLUMNS = ("section", "key", "value")
ReportRows = list[tuple[str, str, str | int | float]]


@dataclass(frozen=True, slots=True)
class FailureCount:
    """The messages of a campaign that failed, or are uncertain, with one code. `fault`: see `FAULTS`."""

    status: str
    fault: str
    code: int | None
    meaning: str
    count: int


def count_failures(errors: CampaignErrors) -> list[FailureCount]:
    """Return the failed and uncertain messages of a campaign by code, the most messages first.

    Meta may have several titles for one code, which are added up.
    """
    counts: Counter[tuple[str, str, int | None, str]] = Counter()
    for each in errors.errors:
        if each.reason.status in {Status.FAILED, Status.UNCERTAIN}:
            counts[each.reason.status, each.fault, each.reason.error_code, each.meaning] += each.reason.count
    return [FailureCount(*key, count) for key, count in counts.most_common()]


@dataclass(frozen=True, slots=True)
class Outcome:
    """`times` None: no message was sent.

    `optout_count`: people who opted out at most OPTOUT_DAYS after the message; None if the people are erased.
    """

    errors: CampaignErrors
    times: SendingTimes | None
    optout_count: int | None

    @property
    def campaign(self) -> CampaignListing:
        return self.errors.campaign

    @property
    def funnel(self) -> Funnel:
        return read_funnel(self.campaign)


def load_outcome(database: Database, campaign_id: int) -> Outcome:
    """Return what became of a campaign. Raises Refusal if there is no such campaign. It reads all its messages."""
    errors = show_errors(database, campaign_id)

    def load(connection: Connection) -> Outcome:
        times = campaigns.find_sending_times(connection, campaign_id)
        return Outcome(errors, times, campaigns.count_optouts_after(connection, campaign_id, days=OPTOUT_DAYS))

    return database.run(load)


@dataclass(frozen=True, slots=True)
class Report:
    """`layout`: the message, with the names of the variables of each person; None if the template cannot be read.

    `acts`: who made, approved, started, paused, resumed and cancelled the campaign, the oldest first; of each act the
    newest two.
    """

    outcome: Outcome
    accounts: Sequence[str]
    layout: Layout | None
    acts: Sequence[AuditEvent]


def load_report(database: Database, campaign_id: int) -> Report:
    """Return the report of a campaign. Raises Refusal if there is no such campaign. It reads all its messages."""
    outcome = load_outcome(database, campaign_id)

    def load(connection: Connection) -> Report:
        ids = accounts.load_campaign_accounts(connection, [campaign_id])[campaign_id]
        names = [each.name for each in accounts.list_accounts(connection, list(ids))] if ids else []
        acts: list[AuditEvent] = []
        for act in _ACTS:
            chosen = AuditFilter(campaign_id=campaign_id, what=act)
            acts += page_audit(connection, chosen, before=None, limit=_SHOWN_ACTS)
        return Report(outcome, names, _lay_out(connection, outcome.campaign), sorted(acts, key=attrgetter("at", "id")))

    return database.run(load)


def _lay_out(connection: Connection, row: CampaignListing) -> Layout | None:
    template = templates.load_template(connection, campaigns.find_template_id(connection, row.id))
    try:
        filling = fill(read_template(template), row.parameters)
        return lay_out(filling.template, template.components, filling.fixed)
    except TemplateError:
        return None


def export_report(database: Database, campaign_id: int, *, actor: Actor) -> ReportRows:
    """Return the report of a campaign as rows of a file for programs, and write an audit event. Raises Refusal.

    Times are in ISO format, in the campaign's time zone. The names of sections and keys are stable. No row has a phone:
    errors have our words and Meta's code, without Meta's words.
    """
    report = load_report(database, campaign_id)
    database.run(lambda connection: write_audit(connection, actor, Act.CAMPAIGN_REPORT, campaign_id))
    return [*_write(report), *_write_costs(show_campaign_costs(database, campaign_id))]


def _write_costs(costs: CampaignCosts | None) -> ReportRows:
    """Return what the campaign has cost by the last count; [] before the first one."""
    if costs is None:
        return []
    return [
        *(("cost", f"amount.{each.currency}", write_amount(each.amount) or "") for each in add_up(costs.costs)),
        *(("cost", key, sum(getattr(each, key) for each in costs.costs)) for key in ("billable", "free", "unknown")),
    ]


def _write(report: Report) -> ReportRows:
    row, outcome = report.outcome.campaign, report.outcome
    funnel, zone = outcome.funnel, ZoneInfo(row.time_zone)
    failures = count_failures(outcome.errors)
    return [
        *(("campaign", key, getattr(row, key)) for key in _FACTS),
        *(("campaign", key, _write_time(getattr(row, key), zone)) for key in _TIMES),
        ("campaign", "text", "" if report.layout is None else report.layout.body),
        *(("account", "name", name) for name in report.accounts),
        *(("funnel", key, getattr(funnel, key)) for key in Funnel.__dataclass_fields__),
        *_write_speed(outcome.times, zone),
        *((each.status, f"{each.fault}.{each.code or 'none'}", each.count) for each in failures),
        ("left_out", "limit_per_person", outcome.errors.capped_count),
        ("left_out", "answer_in_review", outcome.errors.review_count),
        ("left_out", "left_audience", outcome.errors.left_audience_count),
        (
            "people",
            f"opted_out_within_{OPTOUT_DAYS}_days",
            "" if outcome.optout_count is None else outcome.optout_count,
        ),
        *(
            row
            for act in report.acts
            for row in (
                ("audit", f"{act.what}.at", _write_time(act.at, zone)),
                ("audit", f"{act.what}.by", act.actor),
            )
        ),
    ]


def _write_speed(times: SendingTimes | None, zone: ZoneInfo) -> ReportRows:
    if times is None:
        return []
    rate = "" if times.rate is None else round(times.rate, 3)
    found = [("speed", key, _write_time(getattr(times, key), zone)) for key in ("first_at", "half_at", "last_at")]
    return [*found, ("speed", "messages_per_second", rate)]


def _write_time(at: dt.datetime | None, zone: ZoneInfo) -> str:
    return "" if at is None else at.astimezone(zone).isoformat(timespec="seconds")
