"""Asks the broker who is alive, and says in the words of `revoada doctor` why a campaign is not sent."""

from __future__ import annotations

from campaigns.broker.queues import BrokerFacts
from campaigns.cli.hints import advise, in_commands
from campaigns.cli.session import Session
from campaigns.config import SettingsError
from campaigns.domain.statement import Finding

# A worker answers within milliseconds, unless its machine has too much to do.
_ASK_SECONDS = 2.0


def ask_broker() -> BrokerFacts:
    """Ask the broker for the live processes and the waiting tasks.

    The imports are in the function, because the imported modules need a broker in the settings.
    """
    try:
        from campaigns.broker.inspection import read_broker  # noqa: PLC0415
        from campaigns.celery import app  # noqa: PLC0415

        return read_broker(app, _ASK_SECONDS)
    except SettingsError as error:
        return BrokerFacts(away=in_commands(error))


def explain_missing_worker(session: Session) -> str:
    """Return sentences with an advice if no worker sends campaigns; "" if one sends, or if nobody can tell."""
    from campaigns.doctor.system_checks import judge_senders, judge_workers  # noqa: PLC0415  loads a client of Valkey
    from campaigns.store.installation import list_workers  # noqa: PLC0415

    settings = session.settings
    senders = [
        worker
        for worker in session.database.run(list_workers)
        if "campaigns" in worker.queues and worker.seen_seconds <= settings.silent_seconds
    ]
    consumed = _ask_consumed([worker.name for worker in senders]) if senders else None
    found = judge_senders(senders, consumed)
    if not found and all(worker.stalled_seconds is not None for worker in senders):
        exits = bool(settings.exit_on_stall_seconds)
        found = judge_workers(senders, silent_seconds=settings.silent_seconds, exits=exits)
    return " ".join(_write(each) for each in found)


def _ask_consumed(workers: list[str]) -> dict[str, set[str]] | None:
    """Ask workers from which queues they take tasks; None if the broker does not serve."""
    try:
        from campaigns.broker.inspection import BrokerError, find_consumed  # noqa: PLC0415
        from campaigns.celery import app  # noqa: PLC0415

        try:
            return find_consumed(app, workers, _ASK_SECONDS)
        except BrokerError:
            return None
    except SettingsError:
        return None


def explain_wait(session: Session, campaign_id: int) -> str:
    """Return why a campaign is not sent, with the advice of each finding; "" if no finding explains it."""
    from campaigns.doctor.causes import choose_causes  # noqa: PLC0415  loads a client of Valkey
    from campaigns.doctor.diagnose import diagnose  # noqa: PLC0415  loads a client of Valkey

    found = diagnose(
        session.database,
        session.settings,
        ask_broker(),
        campaign_id,
        actor=session.actor,
        explain=session.why_unreachable,
    )
    return " ".join(_write(each) for each in choose_causes(found, campaign_id))


def explain_stop(session: Session, campaign_id: int) -> str:
    """Return why a campaign waits until a person acts, with the advice of each finding; "" if nothing is known.

    No process is asked and no message is read, so a command can do this every few seconds.
    """
    from campaigns.doctor.causes import find_causes  # noqa: PLC0415  loads a client of Valkey

    found = find_causes(session.database, session.settings, [campaign_id])
    return " ".join(_write(each) for each in found.get(campaign_id, ()))


def _write(finding: Finding) -> str:
    return f"{in_commands(finding)} {advise(finding)}".rstrip()
