"""The table of all metrics. The port, the documents, the alert rules and the board use these names and no others.

No label is a phone, a wamid, a campaign, a name or other free text, so the number of series has a bound.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import product

from campaigns.domain.campaign import CampaignStatus
from campaigns.domain.failures import FAILURES
from campaigns.domain.message import Status
from campaigns.domain.pacing import Reason
from campaigns.domain.verdict import Blame

# A metric has series for at most this many accounts, and for as many portfolios. The counters of all further accounts
# have the label `other`.
MAX_ACCOUNTS = 200
OTHER = "other"

# A name of a metric, and the values of its labels in the order of the table. The values of a histogram are the number
# of the bucket, or `SUM` for the sum of what was observed.
Key = tuple[str, tuple[str, ...]]
SUM = "sum"

_REQUESTS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0, 20.0)
_STATEMENTS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0)


class Kind(StrEnum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """`roles`: the roles that serve the metric. `labels`: by name, all values; None if they are known only at run time.

    `bounds`: the upper bounds of the buckets of a histogram, in seconds, without the infinite one.
    """

    kind: Kind
    roles: frozenset[str]
    help: str
    labels: dict[str, tuple[str, ...] | None]
    bounds: tuple[float, ...] = ()


def _counter(roles: str, text: str, **labels: tuple[str, ...] | None) -> Metric:
    return Metric(Kind.COUNTER, frozenset(roles.split()), text, labels)


def _histogram(roles: str, text: str, bounds: tuple[float, ...]) -> Metric:
    return Metric(Kind.HISTOGRAM, frozenset(roles.split()), text, {}, bounds)


def _gauge(text: str, **labels: tuple[str, ...] | None) -> Metric:
    return Metric(Kind.GAUGE, frozenset({"console"}), text, labels)


METRICS = {
    # worker
    "revoada_replies_total": _counter(
        "worker",
        "Replies to requests at Meta, by account: accepted, uncertain, or the blame of the refusal.",
        account=None,
        outcome=("accepted", "uncertain", *Blame),
    ),
    "revoada_failures_total": _counter(
        "worker", "Refused requests, by Meta's code.", code=(*(str(each) for each in FAILURES), OTHER)
    ),
    "revoada_claimed_total": _counter("worker", "Messages that were claimed."),
    "revoada_slices_total": _counter(
        "worker", "Slices that ended.", end=("finished", "waiting", "time_over", "failed", "error")
    ),
    "revoada_reply_seconds": _histogram("worker", "Seconds from a request at Meta to its reply.", _REQUESTS),
    "revoada_claim_seconds": _histogram("worker", "Seconds of a claim, with its commit.", _STATEMENTS),
    "revoada_settle_seconds": _histogram("worker", "Seconds of a settlement of many replies.", _STATEMENTS),
    # events
    "revoada_enqueued_total": _counter("events worker", "Slices that this process enqueued."),
    "revoada_ticks_total": _counter("events", "Ticks that this process ran."),
    "revoada_tick_seconds": _histogram("events", "Seconds of a tick.", _STATEMENTS),
    "revoada_webhooks_applied_total": _counter("events", "Stored bodies of webhooks that were applied."),
    "revoada_webhook_parts_total": _counter("events", "Parts of applied bodies, by what they became.", result=None),
    # webhooks
    "revoada_webhook_requests_total": _counter(
        "webhooks",
        "Webhooks that were posted, by the answer.",
        outcome=("stored", "unsigned", "too_large", "incomplete", "unavailable"),
    ),
    "revoada_webhook_request_seconds": _histogram(
        "webhooks", "Seconds from the last byte of a posted webhook to its answer.", _STATEMENTS
    ),
    # console
    "revoada_http_requests_total": _counter(
        "console",
        "Requests of browsers and programs, by part of the console and class of the answer.",
        surface=("page", "api", "static"),
        status=("2xx", "3xx", "4xx", "5xx"),
    ),
    "revoada_http_request_seconds": _histogram("console", "Seconds until an answer begins.", _STATEMENTS),
    # The state of the installation, which `console` reads at the scrape.
    "revoada_build_info": _gauge("Always 1; the label is the version of the console.", version=None),
    "revoada_database_up": _gauge("1 if Postgres answers the console, else 0."),
    "revoada_broker_up": _gauge("1 if the broker answers the console, else 0."),
    "revoada_campaigns": _gauge("Campaigns, without test sends.", status=tuple(CampaignStatus)),
    "revoada_campaigns_waiting": _gauge("Running campaigns that wait, by the reason.", reason=tuple(Reason)),
    "revoada_campaigns_untaken": _gauge("Campaigns whose task no worker has taken yet."),
    "revoada_campaigns_untaken_age_seconds": _gauge("Age of the oldest task of a campaign that no worker has taken."),
    "revoada_messages": _gauge("Messages of all campaigns.", status=tuple(Status)),
    "revoada_last_tick_age_seconds": _gauge("Seconds since the last tick."),
    "revoada_accounts_unlisted": _gauge(f"Accounts beyond the first {MAX_ACCOUNTS}, which have no series."),
    "revoada_account_active": _gauge("1 if the account is active, else 0.", account=None),
    "revoada_account_rate_limit": _gauge("Messages per second that the account may send.", account=None),
    "revoada_account_rate_allowed": _gauge(
        "Messages per second that the throttle grants now: less than the limit after Meta asked to slow down.",
        account=None,
    ),
    "revoada_account_failures_in_row": _gauge("Consecutive failures by the fault of the account.", account=None),
    "revoada_account_cooldown_seconds": _gauge("Seconds until the cooldown of the account ends.", account=None),
    "revoada_account_quality": _gauge(
        "1 for the quality that the last health check reported, else 0.",
        account=None,
        quality=("GREEN", "YELLOW", "RED", "UNKNOWN"),
    ),
    "revoada_portfolio_people": _gauge("People to whom the portfolio has sent in 24 hours.", portfolio=None),
    "revoada_portfolio_limit": _gauge("People to whom the portfolio may send in 24 hours.", portfolio=None),
    "revoada_workers": _gauge(
        "Processes that take tasks, by what their last report says.",
        process=("worker", "events", "files"),
        state=("ok", "stalled", "silent"),
    ),
    "revoada_slots": _gauge("Slots of the processes that report.", process=("worker", "events", "files")),
    "revoada_slots_used": _gauge("Slots in which a task runs.", process=("worker", "events", "files")),
    "revoada_worker_clock_skew_seconds": _gauge("Largest difference of a worker's clock to that of Postgres."),
    "revoada_queue_tasks": _gauge("Tasks that wait in the broker.", queue=None),
    "revoada_inbox_events": _gauge("Stored bodies of webhooks.", status=("stored", "unmatched", "set_aside")),
    "revoada_inbox_age_seconds": _gauge("Age of the oldest stored body that was not applied yet."),
    "revoada_file_jobs_due": _gauge("Lists, downloads and copies that wait for the role files, or that it works on."),
    "revoada_hook_deliveries_due": _gauge("Events that are due at a hook now."),
    "revoada_hooks_failing": _gauge("Hooks whose receiver has refused every event since its last success."),
}


# The keys of the buckets of each histogram, in the order of its bounds; the last is that of the infinite bound.
BUCKET_KEYS: dict[str, tuple[Key, ...]] = {
    name: tuple((name, (str(bucket),)) for bucket in range(len(metric.bounds) + 1))
    for name, metric in METRICS.items()
    if metric.kind is Kind.HISTOGRAM
}


def list_names(role: str) -> list[str]:
    """Return the names of the metrics that a process of this role counts."""
    return [name for name, metric in METRICS.items() if role in metric.roles and metric.kind is not Kind.GAUGE]


def list_keys(names: Iterable[str]) -> Iterator[Key]:
    """Return the keys of these metrics, but none of a metric with a label whose values are known only at run time."""
    for name in names:
        metric = METRICS[name]
        if metric.kind is Kind.HISTOGRAM:
            yield from BUCKET_KEYS[name]
            yield name, (SUM,)
        elif None not in metric.labels.values():
            yield from ((name, values) for values in product(*(each or () for each in metric.labels.values())))
