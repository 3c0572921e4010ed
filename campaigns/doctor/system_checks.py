"""Finds what is wrong with the servers, the processes, the ticks and the webhook inbox that all campaigns need."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from urllib.parse import urlsplit

from campaigns.broker.queues import QUEUES, BrokerFacts
from campaigns.config import ENOUGH_DESCRIPTORS, ENOUGH_MEMORY_MB
from campaigns.domain.hooks.events import DisabledReason
from campaigns.domain.statement import (
    Count,
    Duration,
    Entry,
    Field,
    Finding,
    Hint,
    HintAction,
    Kind,
    Sentence,
    Severity,
    Word,
)
from campaigns.store.forwards.forwards import Forward
from campaigns.store.hooks.hooks import FailingHook
from campaigns.store.installation import DatabaseFacts, InboxFacts, WorkerRow
from campaigns.throttle.inspection import ValkeyFacts

_SLICES = "campaigns"  # the queue
# By queue, the consequence if no process takes the tasks of the queue.
_STANDS_STILL = {
    "campaigns": Word("nothing is sent"),
    "control": Word("no tick enqueues campaigns"),
    "webhooks": Word("webhooks are stored and not applied"),
    "health": Word("the health of accounts is not checked"),
    "files": Word("uploaded lists are not read, and downloads are not written"),
}
# A clock that differs by fewer seconds is not reported. The clocks of machines with NTP differ by much less.
_SKEW_SECONDS = 2.0
# A queue with more tasks than this number is reported. Even without workers, a queue stays below this number for days,
# unless more campaigns than this number are running.
_BACKLOG_COUNT = 100
_INBOX_SECONDS = 60.0
_FAILING_SECONDS = 3600.0
_FULL = 0.9


def judge_database(facts: DatabaseFacts) -> list[Finding]:
    findings = [*_judge_schema(facts)]
    if facts.is_read_only:
        finding = Finding(
            "read_only",
            Severity.ERROR,
            "Postgres takes no writes: it is a standby, or read-only, so nothing is claimed.",
            "Let DATABASE_URL lead to the primary, or look at default_transaction_read_only and the disk.",
        )
        findings.append(finding)
    if facts.found_older_at is not None:
        finding = Finding(
            "database_older",
            Severity.ERROR,
            "This database was found at {since} to be older than what was sent: a replica that lagged was promoted, or"
            " a backup was restored. Nothing is sent, because somebody would get a message twice.",
            "Stop all roles, then run {recover}.",
            kind=Kind.CONFLICT,
            since=facts.found_older_at.isoformat(timespec="seconds"),
            recover=Hint(HintAction.RECOVER, entry=Entry(Field.SINCE)),
        )
        findings.append(finding)
    findings += [
        Finding(
            "unsafe_setting",
            Severity.WARNING,
            "Postgres runs with {name} = {value}: a crash can lose claims, and then somebody gets a message twice.",
            "Set {name} = on, which is the default of Postgres.",
            kind=Kind.INVALID,
            name=name,
            value=value,
        )
        for name, value in sorted(facts.unsafe.items())
    ]
    if facts.connection_count >= _FULL * facts.connection_limit:
        finding = Finding(
            "connections",
            Severity.WARNING,
            "{count} of the {limit} connections of Postgres are in use.",
            "Raise max_connections: each process needs up to 16.",
            count=facts.connection_count,
            limit=facts.connection_limit,
        )
        findings.append(finding)
    findings += [
        Finding(
            "locks",
            Severity.WARNING,
            "{sessions} of Postgres waited for session {pid} ({program}) for {waited}.",
            "Let its transaction end, or end the session: SELECT pg_terminate_backend({pid}).",
            sessions=Count(count, "session"),
            pid=pid,
            program=program or Word("unnamed"),
            waited=Duration(seconds),
        )
        for pid, program, seconds, count in facts.blockers
    ]
    return [*findings, *_judge_clock(Word("This machine"), facts.skew_seconds)]


def _judge_schema(facts: DatabaseFacts) -> Iterable[Finding]:
    if facts.missing_migrations:
        yield Finding(
            "schema",
            Severity.ERROR,
            "The database lacks {migrations}.",
            "Run {migrate}.",
            kind=Kind.MISSING,
            migrations=Count(len(facts.missing_migrations), "migration"),
            migrate=Hint(HintAction.MIGRATE),
        )
    if facts.unknown_migrations:
        yield Finding(
            "schema",
            Severity.ERROR,
            "The database is newer than this program: it has {migrations}.",
            "Install the version that the other processes run.",
            migrations=facts.unknown_migrations,
        )


def judge_valkey(facts: ValkeyFacts, name: str) -> list[Finding]:
    """Judge a Valkey server. `name`: the environment variable that holds the address of the server."""
    if facts.tls_error:
        finding = Finding(
            "valkey_tls",
            Severity.ERROR,
            "TLS with Valkey fails ({error}): no slice begins, and running slices send at a low, safe rate.",
            "Look at its certificate: {name} must name the host as the certificate does, and the file of its CA"
            " (ssl_ca_certs).",
            kind=Kind.AWAY,
            error=facts.tls_error,
            name=name,
        )
        return [finding]
    if facts.away:
        finding = Finding(
            "valkey_away",
            Severity.ERROR,
            "Valkey answers with an error ({error}): no slice begins, and running slices send at a low, safe rate."
            if facts.reply
            else "Valkey does not answer ({error}): no slice begins, and running slices send at a low, safe rate.",
            "Look at its log, and at {name}." if facts.reply else "Start it, and look at {name}.",
            kind=Kind.AWAY,
            error=facts.reply or facts.away,
            name=name,
        )
        return [finding]
    findings = []
    if facts.is_database_doubtful:
        finding = Finding(
            "database_doubtful",
            Severity.WARNING,
            "Postgres may be an older copy of the database: it lacks claims that Valkey knows. Nothing is sent until it"
            " is certain.",
            "Wait for a minute and look again: either sending goes on by itself, or this becomes an error.",
            kind=Kind.CONFLICT,
        )
        findings.append(finding)
    if facts.refusal:
        finding = Finding(
            "valkey_refuses",
            Severity.ERROR,
            "Valkey refuses to write: {refusal}. No slice begins, and running slices may send at the low, safe rate;"
            " all goes on by itself when Valkey takes writes again.",
            "Let {name} name a primary with free memory and disk. The log of the server says which of these it lacks.",
            refusal=facts.refusal,
            name=name,
        )
        findings.append(finding)
    if facts.policy != "noeviction":
        finding = Finding(
            "eviction",
            Severity.WARNING,
            "Valkey may delete queues when its memory is full, because maxmemory-policy is {policy}.",
            "CONFIG SET maxmemory-policy noeviction.",
            kind=Kind.INVALID,
            policy=facts.policy,
        )
        findings.append(finding)
    if facts.limit_bytes and facts.used_bytes >= _FULL * facts.limit_bytes:
        finding = Finding(
            "valkey_memory",
            Severity.WARNING,
            "Valkey uses {used} of its {limit} MB.",
            "Raise maxmemory, or delete other data from it.",
            used=facts.used_bytes >> 20,
            limit=facts.limit_bytes >> 20,
        )
        findings.append(finding)
    return [*findings, *_judge_clock(Word("This machine"), facts.skew_seconds, than="Valkey")]


def judge_broker(facts: BrokerFacts, queues: Iterable[str]) -> list[Finding]:
    """Judge whether processes take the tasks of these queues, and whether beat runs.

    If no process was asked, only the broker and the lengths of the queues are judged.
    """
    if facts.tls_error:
        finding = Finding(
            "broker_tls",
            Severity.ERROR,
            "TLS with the broker fails ({error}): no worker gets a task.",
            "Look at its certificate: REDIS_URL (or BROKER_URL) must name the host as the certificate does, and the"
            " file of its CA (ssl_ca_certs).",
            kind=Kind.AWAY,
            error=facts.tls_error,
        )
        return [finding]
    if facts.reply or facts.away:
        finding = Finding(
            "broker_away",
            Severity.ERROR,
            "The broker answers with an error ({error}): no worker gets a task."
            if facts.reply
            else "The broker does not answer ({error}): no worker gets a task.",
            "The log of the server says why. Look also at REDIS_URL (or BROKER_URL)."
            if facts.reply
            else "Start it, and look at REDIS_URL (or BROKER_URL).",
            kind=Kind.AWAY,
            error=facts.reply or facts.away,
        )
        return [finding]
    findings = []
    for queue in queues:
        waiting = (facts.waiting or {}).get(queue, 0)
        if facts.queues is not None and not facts.queues.get(queue):
            findings.append(_report_no_worker(queue, waiting))
        elif waiting > _BACKLOG_COUNT:
            finding = Finding(
                "backlog",
                Severity.WARNING,
                "The queue `{queue}` holds {tasks}.",
                "Start one more `{role}`, or empty the queue: a tick enqueues campaigns that may run again.",
                queue=queue,
                role=QUEUES[queue],
                tasks=Count(waiting, "task"),
            )
            findings.append(finding)
    if facts.queues is not None and not facts.beats:
        finding = Finding(
            "no_beat",
            Severity.ERROR,
            "No beat answers: campaigns that wait for a later time are not enqueued.",
            "Start the role `beat` of the Procfile.",
            kind=Kind.AWAY,
        )
        findings.append(finding)
    return findings


def _report_no_worker(queue: str, waiting: int) -> Finding:
    return Finding(
        "no_worker",
        Severity.ERROR,
        "No worker answers for the queue `{queue}`, which holds {tasks}: {consequence}."
        if waiting
        else "No worker answers for the queue `{queue}`: {consequence}.",
        "Start the role `{role}` of the Procfile (`make up` starts all).",
        kind=Kind.AWAY,
        queue=queue,
        role=QUEUES[queue],
        tasks=Count(waiting, "task"),
        consequence=_STANDS_STILL[queue],
    )


def judge_tick(age_seconds: float | None, *, tick_seconds: float) -> list[Finding]:
    """Judge how long ago the last tick was. `age_seconds` None: there was no tick yet."""
    if age_seconds is not None and age_seconds < 3 * tick_seconds:
        return []
    finding = Finding(
        "tick",
        Severity.ERROR,
        "There was no tick yet, though there should be one every {every:g} s: waiting campaigns are not enqueued."
        if age_seconds is None
        else "The last tick was {ago} ago, though there should be one every {every:g} s: waiting campaigns are not"
        " enqueued.",
        "Look whether `beat` and `events` run, and at their logs.",
        kind=Kind.AWAY,
        ago=None if age_seconds is None else Duration(age_seconds),
        every=tick_seconds,
    )
    return [finding]


def judge_workers(workers: Iterable[WorkerRow], *, silent_seconds: float, exits: bool) -> list[Finding]:
    """Judge worker processes.

    A worker that reported nothing for `silent_seconds` counts as gone. Such a worker is a finding unless another
    process has replaced it. `exits`: whether a stalled worker ends itself.
    """
    findings = []
    rows = list(workers)
    replaced = _find_replaced(rows, silent_seconds)
    for worker in rows:
        if worker.owner in replaced:
            continue
        is_silent = worker.seen_seconds > silent_seconds
        if worker.stalled_seconds is not None:
            findings.append(_report_stall(worker, worker.stalled_seconds, is_silent=is_silent, exits=exits))
        elif is_silent:
            finding = Finding(
                "worker_silent",
                Severity.WARNING,
                "Worker {worker} ({owner}) reported nothing for {silent} and did not report its end: it was killed, it"
                " hangs, or it does not reach Postgres.",
                "Look at its log and start it again; after a day it is not reported any more.",
                kind=Kind.AWAY,
                worker=worker.name,
                owner=worker.owner,
                silent=Duration(worker.seen_seconds),
            )
            findings.append(finding)
        else:
            findings += _judge_clock(Sentence("The machine of worker {name}", name=worker.name), worker.skew_seconds)
            findings += _judge_limits(worker)
    return findings


def _judge_limits(worker: WorkerRow) -> Iterable[Finding]:
    if worker.descriptor_limit is not None and worker.descriptor_limit < ENOUGH_DESCRIPTORS:
        yield Finding(
            "few_descriptors",
            Severity.WARNING,
            "Worker {worker} may open only {limit} files and connections, and should be allowed {enough}: it may send"
            " slowly, or not at all.",
            "Raise the limit of its host: ulimit -n, LimitNOFILE in systemd, ulimits in compose.",
            kind=Kind.INVALID,
            worker=worker.name,
            limit=worker.descriptor_limit,
            enough=ENOUGH_DESCRIPTORS,
        )
    if worker.memory_limit_mb is not None and worker.memory_limit_mb < ENOUGH_MEMORY_MB:
        yield Finding(
            "little_memory",
            Severity.WARNING,
            "Worker {worker} may use only {limit} MB of memory, and should be allowed {enough}: the kernel may kill it"
            " while it sends.",
            "Raise the memory limit of its container.",
            kind=Kind.INVALID,
            worker=worker.name,
            limit=worker.memory_limit_mb,
            enough=ENOUGH_MEMORY_MB,
        )


def _find_replaced(workers: Sequence[WorkerRow], silent_seconds: float) -> set[str]:
    """Return the owners of silent workers for which a process of the same host and queues was started later.

    Each process replaces at most one silent worker.
    """
    alive = [worker for worker in workers if worker.seen_seconds <= silent_seconds]
    replaced = set()
    for silent in sorted(workers, key=lambda worker: worker.seen_at):
        if silent.seen_seconds <= silent_seconds:
            continue
        for worker in alive:
            if _host_and_queues(worker) == _host_and_queues(silent) and worker.started_at > silent.seen_at:
                alive.remove(worker)
                replaced.add(silent.owner)
                break
    return replaced


def _host_and_queues(worker: WorkerRow) -> tuple[str, frozenset[str]]:
    return worker.owner.rpartition(":")[0], frozenset(worker.queues)


def judge_consumers(
    workers: Iterable[WorkerRow], queues: Mapping[str, Collection[str]], *, silent_seconds: float
) -> list[Finding]:
    """Judge whether each worker takes tasks from all queues for which it was started.

    `queues`: by queue, the names of the workers that take tasks from the queue, as the workers themselves answered.
    Workers that did not answer are not judged.
    """
    answering = {name for names in queues.values() for name in names}
    return [
        Finding(
            "changed_consumers",
            Severity.WARNING,
            "Worker {worker} takes no tasks of the queue `{queue}`, because remote control has cancelled it.",
            "When it shall take them again, run `celery -A campaigns control -d {worker} add_consumer {queue}`, or"
            " restart the worker.",
            worker=worker.name,
            queue=queue,
        )
        for worker in workers
        if worker.name in answering and worker.seen_seconds <= silent_seconds
        for queue in worker.queues
        if worker.name not in queues.get(queue, ())
    ]


def judge_senders(senders: Sequence[WorkerRow], consumed: Mapping[str, Collection[str]] | None) -> list[Finding]:
    """Judge whether a worker sends campaigns.

    `senders`: the workers that were started for the queue of campaigns and report to Postgres. `consumed`: by the name
    of a worker, the queues from which it takes tasks, as the worker itself answered; None: the workers were not asked.
    """
    if not senders:
        finding = Finding(
            "no_worker",
            Severity.ERROR,
            "No worker runs, so nothing is sent.",
            "Start the role `{role}` of the Procfile (`make up` starts all).",
            kind=Kind.AWAY,
            role=QUEUES[_SLICES],
        )
        return [finding]
    if consumed is None:
        return []
    if not consumed:  # such as a worker that is frozen: its last report still counts for some time
        return [_report_no_worker(_SLICES, 0)]
    answers = [consumed.get(worker.name) for worker in senders]
    if any(queues is None or _SLICES in queues for queues in answers):
        return []
    finding = Finding(
        "changed_consumers",
        Severity.ERROR,
        "No worker takes campaigns, because remote control has cancelled the queue `{queue}`: nothing is sent.",
        "Run `celery -A campaigns control -d {workers} add_consumer {queue}`, or restart the workers.",
        kind=Kind.AWAY,
        queue=_SLICES,
        workers=",".join(worker.name for worker in senders),
    )
    return [finding]


def _report_stall(worker: WorkerRow, stalled_seconds: float, *, is_silent: bool, exits: bool) -> Finding:
    if is_silent:
        return Finding(
            "worker_stalled",
            Severity.WARNING,
            "Worker {worker} took no task any more and ended {ago} ago; nobody has started it again.",
            "Start it, and let a supervisor restart it from now on.",
            kind=Kind.AWAY,
            worker=worker.name,
            ago=Duration(worker.seen_seconds),
        )
    return Finding(
        "worker_stalled",
        Severity.ERROR,
        "Worker {worker} ({owner}) is alive and has taken no task for {stalled}, though a task waits and it has a free"
        " slot.",
        "It ends itself soon, so that a supervisor starts it again." if exits else "Start it again.",
        kind=Kind.AWAY,
        worker=worker.name,
        owner=worker.owner,
        stalled=Duration(stalled_seconds),
    )


def judge_hooks(hooks: Iterable[FailingHook]) -> list[Finding]:
    """Report the hooks that the program has disabled, and those that have failed for long."""
    return [_report_hook(each) for each in hooks]


def _report_hook(hook: FailingHook) -> Finding:
    since, host = hook.since.isoformat(timespec="seconds"), urlsplit(hook.url).hostname
    if hook.disabled_reason is None:
        return Finding(
            "hook_failing",
            Severity.WARNING,
            "Each POST to hook {hook} ({host}) has failed since {since}.",
            "The page of the hook shows the answers of its receiver. After five days the hook is disabled.",
            kind=Kind.AWAY,
            hook=hook.id,
            host=host,
            since=since,
        )
    return Finding(
        "hook_disabled",
        Severity.WARNING,
        "Hook {hook} ({host}) was disabled at {since}, because its receiver answered that it is gone (410)."
        if hook.disabled_reason == DisabledReason.GONE
        else "Hook {hook} ({host}) was disabled at {since}, because no POST had succeeded for five days.",
        "Repair the receiver, enable the hook, and replay the events since then; or remove the hook.",
        hook=hook.id,
        host=host,
        since=since,
    )


def judge_inbox(facts: InboxFacts) -> list[Finding]:
    findings = []
    if facts.due_count and facts.oldest_seconds > _INBOX_SECONDS:
        finding = Finding(
            "inbox",
            Severity.WARNING,
            "The inbox holds {events} to be applied, the oldest for {waited}.",
            "Look whether `events` runs, and at its log; start one more if it does.",
            kind=Kind.AWAY,
            events=Count(facts.due_count, "webhook event"),
            waited=Duration(facts.oldest_seconds),
        )
        findings.append(finding)
    if facts.set_aside_count:
        finding = Finding(
            "set_aside",
            Severity.WARNING,
            "{events} could not be applied: {reasons}.",
            "Run SELECT * FROM webhook_events WHERE status = 'set_aside', and report them to the project."
            " They are deleted after eight days.",
            kind=Kind.INVALID,
            events=Count(facts.set_aside_count, "webhook event"),
            reasons="; ".join(facts.reasons),
        )
        findings.append(finding)
    if facts.review_count:
        finding = Finding(
            "optout_reviews",
            Severity.WARNING,
            "Answers that may be opt-outs wait for a decision ({reviews}, the first for {waited}): their authors get no"
            " marketing.",
            "Read them: {review}; then accept or dismiss each.",
            reviews=Count(facts.review_count, "review"),
            waited=Duration(facts.review_seconds),
            review=Hint(HintAction.REVIEW_OPTOUTS),
        )
        findings.append(finding)
    return findings


def judge_forwards(forwards: Iterable[Forward]) -> list[Finding]:
    """Judge the targets to which webhooks are passed on. A target that has failed for an hour is a finding."""
    return [
        Finding(
            "forward_failing",
            Severity.WARNING,
            "The target of forward {id} ({host}) has failed for {failed} ({error}). It still has to get {events}.",
            "Look at the log of the target, then {list_forwards}. What waits is kept for at most four days.",
            kind=Kind.AWAY,
            id=forward.id,
            host=forward.host,
            failed=Duration(forward.failing_seconds),
            error=forward.last_error or "",
            events=Count(forward.waiting_count, "webhook event"),
            list_forwards=Hint(HintAction.LIST_FORWARDS),
        )
        for forward in forwards
        if forward.disabled_at is None and forward.failing_seconds >= _FAILING_SECONDS
    ]


def _judge_clock(whose: Word | Sentence, skew_seconds: float, *, than: str = "Postgres") -> list[Finding]:
    """Judge the clock of a machine. A wrong clock only makes a log hard to read.

    Sending, windows and schedules follow the clock of Postgres.
    """
    if abs(skew_seconds) < _SKEW_SECONDS:
        return []
    finding = Finding(
        "clock",
        Severity.WARNING,
        "{whose} is {skew} ahead of {than}: the times in its log are off by that."
        if skew_seconds > 0
        else "{whose} is {skew} behind {than}: the times in its log are off by that.",
        "This does not change what is sent, or when; let NTP set the clocks of all machines.",
        kind=Kind.INVALID,
        whose=whose,
        skew=Duration(abs(skew_seconds)),
        than=than,
    )
    return [finding]
