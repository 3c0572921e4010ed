"""Why nothing moves at all: what the servers, the processes, the ticks and the webhook inbox say of themselves."""

from __future__ import annotations

from collections.abc import Iterable

from campaigns.broker.queues import QUEUES, BrokerFacts
from campaigns.domain.finding import Finding, Severity, spell_count, spell_seconds
from campaigns.store.installation import DatabaseFacts, InboxFacts, WorkerRow
from campaigns.throttle.inspection import ValkeyFacts

# queue → what stands still while no process takes its tasks
_STANDS_STILL = {
    "campaigns": "nothing is sent",
    "control": "no tick looks at the campaigns",
    "webhooks": "webhooks are stored and not applied",
    "health": "the health of accounts is not checked",
}
# Clocks of machines with NTP are much closer than that.
_SKEW_SECONDS = 2.0
# A longer queue is a backlog. A queue without workers stays below this for days, unless more campaigns than this run.
_BACKLOG_COUNT = 100
_INBOX_SECONDS = 60.0
_FULL = 0.9


def judge_database(facts: DatabaseFacts) -> list[Finding]:
    findings = []
    if facts.missing_migrations:
        text = f"The database lacks {spell_count(len(facts.missing_migrations), 'migration')}."
        findings.append(Finding("schema", Severity.ERROR, text, "Run `revoada migrate`."))
    if facts.unknown_migrations:
        text = f"The database is newer than this program: it has {', '.join(facts.unknown_migrations)}."
        findings.append(Finding("schema", Severity.ERROR, text, "Install the version that the other processes run."))
    if facts.is_read_only:
        text = "Postgres takes no writes: it is a standby, or read-only, so nothing is claimed."
        advice = "Let DATABASE_URL lead to the primary, or look at default_transaction_read_only and the disk."
        findings.append(Finding("read_only", Severity.ERROR, text, advice))
    for name, value in sorted(facts.unsafe.items()):
        text = f"Postgres runs with {name} = {value}: a crash can lose claims, and then somebody gets a message twice."
        findings.append(Finding("unsafe_setting", Severity.WARNING, text, f"Set {name} = on, as Postgres does itself."))
    if facts.connection_count >= _FULL * facts.connection_limit:
        text = f"{facts.connection_count} of the {facts.connection_limit} connections of Postgres are in use."
        advice = "Raise max_connections: each process needs up to 16."
        findings.append(Finding("connections", Severity.WARNING, text, advice))
    for pid, program, seconds, count in facts.blockers:
        text = (
            f"{spell_count(count, 'session')} of Postgres waited for session {pid}"
            f" ({program or 'unnamed'}) for {spell_seconds(seconds)}."
        )
        advice = f"End what it does, or the session: SELECT pg_terminate_backend({pid})."
        findings.append(Finding("locks", Severity.WARNING, text, advice))
    return [*findings, *_judge_clock("This machine", facts.skew_seconds)]


def judge_valkey(facts: ValkeyFacts, name: str) -> list[Finding]:
    """Judge a server; `name` is the variable that leads to it."""
    if facts.away:
        does = f"does not answer ({facts.away})" if not facts.reply else f"answers with an error ({facts.reply})"
        text = f"Valkey {does}: no slice begins, and what runs sends at a low, safe rate."
        advice = f"Look at its log, and at {name}." if facts.reply else f"Start it, and look at {name}."
        return [Finding("valkey_away", Severity.ERROR, text, advice)]
    findings = []
    if facts.refusal:
        text = (
            f"Valkey refuses to write: {facts.refusal}. No slice begins, and what runs may have to send at the low,"
            " safe rate; all goes on by itself when it takes writes again."
        )
        advice = f"Let {name} lead to a primary with free memory and disk; its own log says what it lacks."
        findings.append(Finding("valkey_refuses", Severity.ERROR, text, advice))
    if facts.policy != "noeviction":
        text = f"Valkey may throw queues away when its memory is full: maxmemory-policy is {facts.policy}."
        findings.append(Finding("eviction", Severity.WARNING, text, "CONFIG SET maxmemory-policy noeviction."))
    if facts.limit_bytes and facts.used_bytes >= _FULL * facts.limit_bytes:
        text = f"Valkey uses {facts.used_bytes >> 20} of its {facts.limit_bytes >> 20} MB."
        findings.append(
            Finding("valkey_memory", Severity.WARNING, text, "Raise maxmemory, or empty what else is in it.")
        )
    return [*findings, *_judge_clock("This machine", facts.skew_seconds, than="Valkey")]


def judge_broker(facts: BrokerFacts, queues: Iterable[str]) -> list[Finding]:
    """Judge who takes tasks, for the queues that matter here."""
    if facts.reply:
        text = f"The broker answers with an error ({facts.reply}): no task reaches anybody."
        advice = "Its own log says what it lacks; look at REDIS_URL (or BROKER_URL)."
        return [Finding("broker_away", Severity.ERROR, text, advice)]
    if facts.away:
        text = f"The broker does not answer ({facts.away}): no task reaches anybody."
        return [Finding("broker_away", Severity.ERROR, text, "Start it, and look at REDIS_URL (or BROKER_URL).")]
    findings = []
    for queue in queues:
        role, without = QUEUES[queue], _STANDS_STILL[queue]
        waiting = (facts.waiting or {}).get(queue, 0)
        advice = f"Start the role `{role}` of the Procfile (`make up` starts all)."
        if not (facts.queues or {}).get(queue):
            held = f", which holds {spell_count(waiting, 'task')}" if waiting else ""
            text = f"No worker answers for the queue `{queue}`{held}: {without}."
            findings.append(Finding("no_worker", Severity.ERROR, text, advice))
        elif waiting > _BACKLOG_COUNT:
            text = f"The queue `{queue}` holds {spell_count(waiting, 'task')}."
            advice = f"Start one more `{role}`, or empty it: a tick rings again what may run."
            findings.append(Finding("backlog", Severity.WARNING, text, advice))
    if not facts.beats:
        text = "No beat answers: what waits for a later time is rung by nobody."
        findings.append(Finding("no_beat", Severity.ERROR, text, "Start the role `beat` of the Procfile."))
    return findings


def judge_tick(age_seconds: float | None, *, tick_seconds: float) -> list[Finding]:
    """Judge how long ago the last tick was; None: there was none yet."""
    if age_seconds is not None and age_seconds < 3 * tick_seconds:
        return []
    ago = "There was no tick yet" if age_seconds is None else f"The last tick was {spell_seconds(age_seconds)} ago"
    text = f"{ago}, though there should be one every {tick_seconds:g} s: waiting campaigns are not looked at."
    return [Finding("tick", Severity.ERROR, text, "Look whether `beat` and `events` run, and at their logs.")]


def judge_workers(workers: Iterable[WorkerRow], *, silent_seconds: float, exits: bool) -> list[Finding]:
    """Judge worker processes; one that reported nothing for `silent_seconds` is gone. `exits`: it ends on a stall."""
    findings = []
    for worker in workers:
        is_silent, ago = worker.seen_seconds > silent_seconds, spell_seconds(worker.seen_seconds)
        if worker.stalled_seconds is not None and is_silent:
            text = f"Worker {worker.name} took no task any more and ended {ago} ago; nobody has started it again."
            advice = "Start it, and let a supervisor do that from now on."
            findings.append(Finding("worker_stalled", Severity.WARNING, text, advice))
        elif worker.stalled_seconds is not None:
            text = (
                f"Worker {worker.name} ({worker.owner}) is alive and has taken no task for"
                f" {spell_seconds(worker.stalled_seconds)}, though one waits and a slot is free."
            )
            advice = "It ends itself soon, to be started again." if exits else "Start it again."
            findings.append(Finding("worker_stalled", Severity.ERROR, text, advice))
        elif is_silent:
            text = (
                f"Worker {worker.name} ({worker.owner}) said nothing for {ago} and did not say that it ends:"
                " it was killed, it hangs, or it does not reach Postgres."
            )
            advice = "Look at its log and start it again; after a day it is forgotten."
            findings.append(Finding("worker_silent", Severity.WARNING, text, advice))
        else:
            findings += _judge_clock(f"The machine of worker {worker.name}", worker.skew_seconds)
    return findings


def judge_inbox(facts: InboxFacts) -> list[Finding]:
    findings = []
    if facts.due_count and facts.oldest_seconds > _INBOX_SECONDS:
        text = (
            f"The inbox holds {spell_count(facts.due_count, 'webhook event')} to be applied,"
            f" the oldest for {spell_seconds(facts.oldest_seconds)}."
        )
        advice = "Look whether `events` runs, and at its log; start one more if it does."
        findings.append(Finding("inbox", Severity.WARNING, text, advice))
    if facts.set_aside_count:
        text = (
            f"{spell_count(facts.set_aside_count, 'webhook event')} could not be applied: {'; '.join(facts.reasons)}."
        )
        advice = "SELECT * FROM webhook_events WHERE status = 'set_aside'; they are deleted after eight days. Tell us."
        findings.append(Finding("set_aside", Severity.WARNING, text, advice))
    if facts.review_count:
        text = (
            f"Answers that may be opt-outs wait for a decision ({spell_count(facts.review_count, 'review')}, the first"
            f" for {spell_seconds(facts.review_seconds)}): their authors get no marketing."
        )
        advice = "Read them: `revoada optouts review`; then accept or dismiss each."
        findings.append(Finding("optout_reviews", Severity.WARNING, text, advice))
    return findings


def _judge_clock(whose: str, skew_seconds: float, *, than: str = "Postgres") -> list[Finding]:
    """Judge a clock: sending, windows and schedules follow Postgres, so a wrong one makes a log hard to read."""
    if abs(skew_seconds) < _SKEW_SECONDS:
        return []
    side = "ahead of" if skew_seconds > 0 else "behind"
    text = f"{whose} is {spell_seconds(abs(skew_seconds))} {side} {than}: the times in its log are off by that."
    advice = "Nothing is sent earlier, later or not at all for it; let NTP set the clocks of all machines."
    return [Finding("clock", Severity.WARNING, text, advice)]
