"""The table of all metrics. The port, the documents, the alert rules and the board use these names and no others.

No label is a phone, a wamid, a campaign, a name or other free text, so the number of series has a bound.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
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

# A name of a metric, and the values of its labels in the order of the table. The last value of a histogram is the
# number of the bucket, or `SUM` for the sum of what was observed.
Key = tuple[str, tuple[str, ...]]
SUM = "sum"

_REQUESTS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0, 20.0)
_STATEMENTS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0)
_DELAYS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
_ANSWERS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)

# The first words of the paths of the console and the API. A label has one of these words, and never an id. The word of
# the path `/` is `now`. Any other path is answered with 404, and counts as OTHER.
_PAGES = (
    *("accounts", "audit", "campaigns", "confirm", "cost", "downloads", "healthz", "hooks", "live", "login", "logout"),
    *("now", "numbers", "optouts", "people", "readyz", "settings", "system", "templates", "uncertain", "updates"),
    *("users", "static"),
)
_RESOURCES = (
    *("accounts", "audit", "campaigns", "docs", "exports", "findings", "forwards", "hooks", "imports", "me"),
    *("messages", "openapi", "people", "portfolios", "prices", "suppressions", "templates", "workers"),
)
ROUTES = (*dict.fromkeys((*_PAGES, *_RESOURCES)), OTHER)
_SURFACES = ("page", "api", "static")


class Kind(StrEnum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """`roles`: the roles that serve the metric. `labels`: by name, all values; None if they are known only at run time.

    `bounds`: the upper bounds of the buckets of a histogram, in seconds, without the infinite one. `is_state`: the
    console reads the metric from the servers at the scrape; no process counts it. `is_sparse`: a series begins with
    its first count; the series of other metrics begin at 0.
    """

    kind: Kind
    roles: frozenset[str]
    help: str
    labels: dict[str, tuple[str, ...] | None]
    bounds: tuple[float, ...] = ()
    is_state: bool = False
    is_sparse: bool = False


def _counter(roles: str, text: str, **labels: tuple[str, ...] | None) -> Metric:
    return Metric(Kind.COUNTER, frozenset(roles.split()), text, labels)


def _histogram(roles: str, text: str, bounds: tuple[float, ...]) -> Metric:
    return Metric(Kind.HISTOGRAM, frozenset(roles.split()), text, {}, bounds)


def _gauge(text: str, **labels: tuple[str, ...] | None) -> Metric:
    return Metric(Kind.GAUGE, frozenset({"console"}), text, labels, is_state=True)


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
    "revoada_requests_in_flight": Metric(
        Kind.GAUGE, frozenset({"worker"}), "Requests at Meta that have no reply yet.", {}
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
    "revoada_webhook_apply_delay_seconds": _histogram(
        "events", "Seconds from the receipt of a webhook until it was applied.", _DELAYS
    ),
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
    "revoada_http_requests_total": Metric(
        Kind.COUNTER,
        frozenset({"console"}),
        "Requests of browsers and programs, by part of the console, first word of the path and class of the answer.",
        {"surface": _SURFACES, "route": ROUTES, "status": ("2xx", "3xx", "4xx", "5xx")},
        is_sparse=True,
    ),
    "revoada_http_request_seconds": Metric(
        Kind.HISTOGRAM,
        frozenset({"console"}),
        "Seconds until an answer begins.",
        {"surface": _SURFACES, "route": ROUTES},
        _ANSWERS,
        is_sparse=True,
    ),
    "revoada_live_viewers": Metric(
        Kind.GAUGE, frozenset({"console"}), "Open pages whose numbers change by themselves.", {}
    ),
    "revoada_logins_total": _counter(
        "console", "Logins with a password, by their outcome.", outcome=("signed_in", "wrong", "limited")
    ),
    # The state of the installation, which `console` reads at the scrape.
    "revoada_build_info": _gauge("Always 1; the label is the version of the console.", version=None),
    "revoada_database_up": _gauge("1 if Postgres answers the console, else 0."),
    "revoada_broker_up": _gauge("1 if the broker answers the console, else 0."),
    "revoada_throttle_up": _gauge("1 if the Valkey that limits the rates answers the console, else 0."),
    "revoada_campaigns": _gauge("Campaigns, without test sends.", status=tuple(CampaignStatus)),
    "revoada_campaigns_waiting": _gauge("Running campaigns that wait, by the reason.", reason=tuple(Reason)),
    "revoada_campaigns_untaken": _gauge("Campaigns whose task no worker has taken yet."),
    "revoada_campaigns_untaken_age_seconds": _gauge("Age of the oldest task of a campaign that no worker has taken."),
    "revoada_messages": _gauge("Messages of all campaigns.", status=tuple(Status)),
    "revoada_uncertain_oldest_age_seconds": _gauge(
        "Age of the oldest uncertain message of campaigns that run or ended in the last 7 days; 0: there is none."
    ),
    "revoada_last_tick_age_seconds": _gauge("Seconds since the last tick."),
    "revoada_last_sample_timestamp_seconds": _gauge(
        "Unix time at which the numbers of the charts were written last; missing after 48 hours."
    ),
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


@cache
def list_bucket_keys(name: str, labels: tuple[str, ...]) -> tuple[Key, ...]:
    """Return the keys of the buckets of a histogram, in the order of its bounds. The last bucket has no bound."""
    return tuple((name, (*labels, str(bucket))) for bucket in range(len(METRICS[name].bounds) + 1))


def list_names(role: str) -> list[str]:
    """Return the names of the metrics that a process of this role counts."""
    return [name for name, metric in METRICS.items() if role in metric.roles and not metric.is_state]


def list_keys(names: Iterable[str]) -> Iterator[Key]:
    """Return the keys of these metrics, but none of a metric with a label whose values are known only at run time."""
    for name in names:
        metric = METRICS[name]
        if None in metric.labels.values():
            continue
        for values in product(*(each or () for each in metric.labels.values())):
            if metric.kind is Kind.HISTOGRAM:
                yield from list_bucket_keys(name, values)
                yield name, (*values, SUM)
            else:
                yield name, values
