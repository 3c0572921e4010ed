"""Applies stored webhook bodies in sets: evidence raises statuses, refusals move messages, events are kept and told."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from campaigns.alerts import Alerts
from campaigns.config import Settings
from campaigns.logs import event
from campaigns.sending.settlement import report_category, report_deactivation
from campaigns.store import events
from campaigns.store.accounts import Counted
from campaigns.store.database import Connection, Database, DatabaseUnavailable, DataError, commit_lazily
from campaigns.store.events import ParkedEvent, StoredEvent
from campaigns.store.installation import installation_id
from campaigns.store.messages import merge_evidence
from campaigns.store.suppressions import suppress_refusing
from campaigns.store.templates import Recategorised
from webhooks.applier.apply_optouts import Leaving, keep_optouts
from webhooks.applier.events import CATEGORY_FIELD, QUALITY_FIELD, AccountEvent, TemplateEvent
from webhooks.applier.evidence import Evidence
from webhooks.applier.match import Matched, in_rounds, match_evidence
from webhooks.applier.merge import GroupKey, group_key, merge
from webhooks.applier.parse import ParsedEvent, keep_whole, parse_event
from webhooks.applier.people import People
from webhooks.applier.refusals import count_reports, find_optouts, move_refused

_log = logging.getLogger(__name__)

# One call works so many sets at the most; what is left has its own ring.
_MOST_SETS = 50
# A body that ended its worker this often is set aside; from the second try on it is applied alone.
_MOST_ATTEMPTS = 5

_TEMPLATE_STATUS = {
    "APPROVED": "approved", "REINSTATED": "approved", "UNARCHIVED": "approved", "UNPAUSED": "approved",
    "PAUSED": "paused", "DISABLED": "disabled", "REJECTED": "rejected", "PENDING": "pending",
    "PENDING_DELETION": "deleted", "DELETED": "deleted", "ARCHIVED": "archived", "LOCKED": "locked",
    "LIMIT_EXCEEDED": "limit_exceeded", "IN_APPEAL": "in_appeal",
}  # fmt: skip


@dataclass(slots=True)
class Applied:
    """What one call did. `to_ring`: campaigns whose reason to wait is gone."""

    event_count: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    to_ring: list[int] = field(default_factory=list)
    is_more_left: bool = False


@dataclass(frozen=True, slots=True)
class _Read:
    """A taken body and what it says."""

    stored: StoredEvent
    parsed: ParsedEvent
    pieces: Sequence[bytes] = ()  # to be stored as bodies of their own


def apply_events(database: Database, settings: Settings, alerts: Alerts) -> Applied:
    """Apply what is stored and due, set by set."""
    applied = Applied()
    applier = _Applier(database, settings, alerts, applied)
    for _ in range(_MOST_SETS):
        taken = database.run(events.take_events, retry_seconds=settings.apply_retry_seconds)
        if not taken:
            break
        applied.event_count += len(taken)
        fresh = [stored for stored in taken if stored.attempts == 1 or stored.status == "unmatched"]
        applier.apply(fresh)
        for stored in taken:
            if stored.attempts > 1 and stored.status != "unmatched":
                applier.apply_suspect(stored)
    else:
        applied.is_more_left = True
    if applied.event_count:
        _tell(applied)
    return applied


def _tell(applied: Applied) -> None:
    counts = ", ".join(f"{count} {name}" for name, count in sorted(applied.counts.items()))
    level = logging.WARNING if applied.counts["set aside"] else logging.INFO
    bound = event("webhooks_applied", events=applied.event_count)
    _log.log(level, "Applied %s webhook events: %s", applied.event_count, counts or "nothing of ours", extra=bound)


def _tell_error(error: Exception) -> None:
    _log.error("A webhook event is set aside, others go on", exc_info=error, extra=event("webhook_error"))


class _Applier:
    """Applies sets of bodies; what fails is halved until the one piece that fails stands alone."""

    def __init__(self, database: Database, settings: Settings, alerts: Alerts, applied: Applied) -> None:
        self._database, self._settings, self._alerts, self._applied = database, settings, alerts, applied
        self._rules = settings.stop_rules

    def apply(self, taken: Sequence[StoredEvent]) -> None:
        if taken:
            self._apply([_Read(stored, self._parse(stored)) for stored in taken])

    def apply_suspect(self, stored: StoredEvent) -> None:
        """Apply a body that may have ended a worker before: alone, and not for ever."""
        if stored.attempts > _MOST_ATTEMPTS:
            reason = f"not applied in {_MOST_ATTEMPTS} attempts"
            self._database.run(events.set_aside_event, stored.id, reason=reason)
            self._applied.counts["set aside"] += 1
            return
        self.apply([stored])

    def _parse(self, stored: StoredEvent) -> ParsedEvent:
        try:
            return parse_event(stored.body, self._rules)
        except Exception as error:  # noqa: BLE001  a fault of our reader costs the one body that it meets
            _tell_error(error)
            return keep_whole(stored.body, f"our reader fails: {type(error).__name__}")

    def _apply(self, bodies: Sequence[_Read]) -> None:
        try:
            outcome = self._database.run(_Transaction(bodies, self._settings).write)
        except DatabaseUnavailable:
            raise
        except Exception as error:  # noqa: BLE001  whatever it is, it costs the one piece that it is about
            self._isolate(bodies, error)
            return
        self._applied.counts.update(outcome.counts)
        self._applied.to_ring.extend(outcome.to_ring)
        for account in outcome.counted:
            report_deactivation(account, self._alerts)
        for template in outcome.recategorised:
            report_category(template)
        for tell in outcome.to_tell:
            tell(self._alerts)

    def _isolate(self, bodies: Sequence[_Read], error: Exception) -> None:
        if len(bodies) > 1:
            middle = len(bodies) // 2
            self._apply(bodies[:middle])
            self._apply(bodies[middle:])
            return
        only = bodies[0]
        pieces = only.parsed.list_pieces()
        if len(pieces) > 1 or (pieces and only.parsed.has_events):
            # Each piece becomes a body of its own, applied one by one from now on; the rest is applied without them.
            self._apply([_Read(only.stored, only.parsed.without_pieces(), pieces)])
            return
        reason = f"Postgres refuses it: {type(error).__name__}"
        if not isinstance(error, DataError):
            _tell_error(error)
            reason = f"it cannot be applied: {type(error).__name__}"
        self._database.run(events.set_aside_event, only.stored.id, reason=reason)
        self._applied.counts["set aside"] += 1


@dataclass(slots=True)
class _Outcome:
    """What a transaction did, to be told once it is committed."""

    counts: Counter[str] = field(default_factory=Counter)
    counted: list[Counted] = field(default_factory=list)
    recategorised: list[Recategorised] = field(default_factory=list)
    to_ring: list[int] = field(default_factory=list)
    to_tell: list[Callable[[Alerts], None]] = field(default_factory=list)


class _Transaction:
    """Writes what a set of bodies says, in one transaction; may run again from the start after a deadlock."""

    def __init__(self, bodies: Sequence[_Read], settings: Settings) -> None:
        self._bodies, self._settings = bodies, settings

    def write(self, connection: Connection) -> _Outcome:
        outcome = _Outcome()
        # The runners' own writes wait for the tallies that this one holds until its end. What a crash takes back here
        # is applied again, because the bodies come back with it.
        commit_lazily(connection)
        evidence = [each for body in self._bodies for each in body.parsed.evidence]
        unmatched: dict[GroupKey, str] = {}
        if evidence:
            matched = self._match(connection, evidence)
            moved = move_refused(connection, matched.matches, self._settings)
            used_up = {id(match) for match in moved}
            kept = [match for match in matched.matches if id(match) not in used_up]
            for rows in in_rounds(kept):
                merge_evidence(connection, rows)
            suppress_refusing(connection, find_optouts(kept))
            outcome.counted, outcome.recategorised = count_reports(connection, matched.matches)
            unmatched = {merged.key: reason for merged, reason in matched.unmatched}
            outcome.counts.update({"statuses": len(kept), "moved": len(moved), "foreign": len(matched.foreign)})
        leaving = keep_optouts(
            connection,
            {body.stored.id: body.parsed.optouts for body in self._bodies if body.parsed.optouts},
            self._gather_people(),
            answers=self._settings.stop_reply is not None,
            secret_key=self._settings.secret_key,
        )
        outcome.counts.update({"opt-outs": leaving.kept_count, "answers to review": leaving.review_count})
        outcome.to_tell += leaving.to_tell
        self._keep_events(connection, outcome)
        self._park(connection, unmatched, leaving, outcome)
        outcome.counts = +outcome.counts
        return outcome

    def _gather_people(self) -> People:
        people = People()
        for body in self._bodies:
            people.update(body.parsed.people)
        return people

    def _match(self, connection: Connection, evidence: Iterable[Evidence]) -> Matched:
        merged = merge(evidence)
        ids = [each.callback.message_id for each in merged if each.callback is not None]
        wamids = [each.wamid for each in merged if each.callback is None]
        found = events.find_messages(connection, ids, wamids)
        return match_evidence(merged, found, installation=installation_id(connection))

    def _park(
        self, connection: Connection, unmatched: dict[GroupKey, str], leaving: Leaving, outcome: _Outcome
    ) -> None:
        """Keep what matched nothing and what could not be read; delete what is done."""
        done, parked = [], []
        for body in self._bodies:
            orphans = [
                (body.parsed.rewrap(index), unmatched[group_key(each)])
                for index, each in enumerate(body.parsed.evidence if unmatched else ())
                if group_key(each) in unmatched
            ]
            orphans += [
                (body.parsed.rewrap_optout(index), "an opt-out answers a message that nobody knows")
                for index in leaving.unmatched.get(body.stored.id, ())
            ]
            outcome.counts["unmatched"] += len(orphans)
            outcome.counts["set aside"] += len(body.parsed.set_aside)
            outcome.counts["ignored"] += sum(body.parsed.ignored.values())
            if body.stored.status == "unmatched" and orphans:
                continue  # waits on as it is, with its growing gaps and its own expiry
            done.append(body.stored.id)
            parked += [ParkedEvent("unmatched", reason, piece) for piece, reason in orphans]
            parked += [ParkedEvent("set_aside", each.reason, each.piece) for each in body.parsed.set_aside]
        events.park_events(connection, parked, retry_seconds=self._settings.apply_retry_seconds)
        if pieces := [piece for body in self._bodies for piece in body.pieces]:
            events.insert_events(connection, pieces)
        events.delete_events(connection, done)

    def _keep_events(self, connection: Connection, outcome: _Outcome) -> None:
        for body in self._bodies:
            for template in body.parsed.template_events:
                self._judge(connection, template, outcome)
            for account in body.parsed.account_events:
                _keep_account_event(connection, account, outcome)

    def _judge(self, connection: Connection, reported: TemplateEvent, outcome: _Outcome) -> None:
        outcome.counts["template events"] += 1
        status = _TEMPLATE_STATUS.get(reported.event)
        if status is None:
            return
        template_ids = events.judge_template(
            connection,
            reported.waba_id,
            reported.name,
            reported.language,
            status=status,
            at=reported.at,
            retry_seconds=self._settings.template_retry_seconds,
        )
        if not template_ids:
            return
        if status == "approved":
            outcome.to_ring += events.wake_template_campaigns(connection, template_ids)
        reason = f" ({reported.reason or reported.title})" if reported.reason or reported.title else ""
        text = f"Template {reported.name}:{reported.language} is {status}, says Meta{reason}"
        level = logging.INFO if status == "approved" else logging.WARNING
        bound = event("template_status", template_ids=template_ids)
        outcome.to_tell.append(lambda _alerts: _log.log(level, text, extra=bound))


def _describe_template(connection: Connection, reported: AccountEvent) -> None:
    """Keep a template's new quality or category beside its status."""
    names = {QUALITY_FIELD: "new_quality_score", CATEGORY_FIELD: "new_category"}
    told = reported.summary
    keys = ("message_template_name", "message_template_language", names.get(reported.field, ""))
    name, language, word = (value if isinstance(value := told.get(key), str) else "" for key in keys)
    if name and language and word:
        events.describe_template(
            connection,
            reported.waba_id,
            name,
            language.replace("-", "_"),
            quality=word.upper() if reported.field == QUALITY_FIELD else None,
            category=word.upper() if reported.field == CATEGORY_FIELD else None,
            at=reported.at,
        )


def _keep_account_event(connection: Connection, reported: AccountEvent, outcome: _Outcome) -> None:
    outcome.counts["account events"] += 1
    _describe_template(connection, reported)
    details = {"field": reported.field, "event": reported.event, **reported.summary}
    accounts = events.note_reported(
        connection, phone_number_id=reported.phone_number_id, waba_id=reported.waba_id, details=details
    )
    if not accounts:
        return
    text = f"Meta reports {reported.field} {reported.event} for accounts {', '.join(map(str, accounts))}"
    bound = event("account_reported", accounts=accounts)

    def tell(alerts: Alerts) -> None:
        _log.warning(text, extra=bound)
        alerts.send("account_reported", text, accounts=accounts)

    outcome.to_tell.append(tell)
