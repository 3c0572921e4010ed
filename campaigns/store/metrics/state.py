"""Reads the state of the installation for the metrics, without reading a message."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from campaigns.store.database import Connection, query
from campaigns.store.installation import WorkerRow, list_workers, load_tick_age


@dataclass(frozen=True, slots=True)
class AccountState:
    """`cooldown_seconds`: the seconds until the account may send again; 0 if it may send now."""

    id: int
    is_active: bool
    rate_limit: int
    failure_count: int
    cooldown_seconds: float
    quality: str


@dataclass(frozen=True, slots=True)
class UncertainCount:
    """A campaign with uncertain messages. After the campaign has ended, their number can only fall."""

    campaign_id: int
    count: int
    has_ended: bool


@dataclass(frozen=True, slots=True)
class State:
    """`campaigns`: rows of (what is counted: `status`, `reason`, `untaken` or `untaken_age`; the status, the reason or
    ""; the number).

    `inbox`: by status, the number of the stored bodies and the seconds since the oldest body came. `portfolios`: (id,
    people, limit). `uncertain`: the campaigns with uncertain messages that have not ended, or ended in the last 7 days.
    `tick_age`: the seconds since the last tick; None if there was no tick yet. `sampled_at`: the Unix time of the last
    sample; None if there was none in 48 hours.
    """

    campaigns: Sequence[tuple[str, str, float]]
    messages: dict[str, float]
    inbox: dict[str, tuple[float, float]]
    accounts: Sequence[AccountState]
    portfolios: Sequence[tuple[int, int, int]]
    workers: Sequence[WorkerRow]
    uncertain: Sequence[UncertainCount]
    tick_age: float | None
    sampled_at: float | None
    account_count: int
    due_file_job_count: int
    due_delivery_count: int
    failing_hook_count: int


def load_state(connection: Connection, *, most: int) -> State:
    """Return the state. `most`: the largest number of accounts, and of portfolios, that are returned."""
    accounts = connection.execute(query("state_of_accounts"), {"most": most})
    work = connection.execute(query("state_of_work")).fetchone()
    assert work is not None
    return State(
        campaigns=connection.execute(query("state_of_campaigns")).fetchall(),
        messages=dict(connection.execute(query("state_of_messages")).fetchall()),
        inbox={status: (count, age) for status, count, age in connection.execute(query("state_of_inbox"))},
        accounts=[AccountState(*row) for row in accounts],
        portfolios=[
            (row[0], row[1], row[2]) for row in connection.execute(query("state_of_portfolios"), {"most": most})
        ],
        workers=list_workers(connection),
        uncertain=[UncertainCount(*row) for row in connection.execute(query("count_uncertain_of_campaigns"))],
        tick_age=load_tick_age(connection),
        sampled_at=work[4],
        account_count=work[0],
        due_file_job_count=work[1],
        due_delivery_count=work[2],
        failing_hook_count=work[3],
    )


def load_uncertain_ages(connection: Connection, campaign_ids: Sequence[int]) -> dict[int, float]:
    """Return, by campaign, the seconds since the claim of its oldest uncertain message.

    Reads all messages of these campaigns. A campaign without uncertain messages is left out.
    """
    parameters = {"campaign_ids": list(campaign_ids)}
    return dict(connection.execute(query("load_uncertain_ages"), parameters).fetchall())
