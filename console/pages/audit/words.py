"""The sentences of the audit: what each act was, by whom and to which thing."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from flask import url_for
from markupsafe import Markup, escape

from campaigns.domain.statement import deferred
from campaigns.domain.users.actor import Act, ActorKind, Surface
from campaigns.domain.users.rights import Right
from campaigns.store.users.audit import AuditEvent
from console.context import may
from console.texts import _, plural

# `who`: the person, or the program itself. `what`: the thing that was changed.
_ACTS: Mapping[Act, str] = MappingProxyType({
    Act.ACCOUNT_ACTIVATE: deferred("%(who)s activated %(what)s."),
    Act.ACCOUNT_ADD: deferred("%(who)s added %(what)s."),
    Act.ACCOUNT_CHANGE: deferred("%(who)s changed %(what)s."),
    Act.ACCOUNT_DEACTIVATE: deferred("%(who)s deactivated %(what)s."),
    Act.ACCOUNT_MOVE: deferred("%(who)s moved %(what)s to another portfolio."),
    Act.AUDIT_ERASE: deferred("%(who)s deleted old entries of the audit."),
    Act.AUDIT_EXPORT: deferred("%(who)s downloaded the audit."),
    Act.CAMPAIGN_APPROVE: deferred("%(who)s approved %(what)s."),
    Act.CAMPAIGN_ASK_APPROVAL: deferred("%(who)s asked for the approval of %(what)s."),
    Act.CAMPAIGN_CANCEL: deferred("%(who)s cancelled %(what)s for ever."),
    Act.CAMPAIGN_CHANGE: deferred("%(who)s changed the plan of %(what)s."),
    Act.CAMPAIGN_COPY: deferred("%(who)s made %(what)s as a copy."),
    Act.CAMPAIGN_CREATE: deferred("%(who)s made %(what)s."),
    Act.CAMPAIGN_DISCARD: deferred("%(who)s deleted the draft of %(what)s."),
    Act.CAMPAIGN_ERASE: deferred("%(who)s erased the people of %(what)s, which ended long ago."),
    Act.CAMPAIGN_EXPORT: deferred("%(who)s downloaded the people of %(what)s."),
    Act.CAMPAIGN_IMPORT: deferred("%(who)s added people to %(what)s."),
    Act.CAMPAIGN_PAUSE: deferred("%(who)s paused %(what)s."),
    Act.CAMPAIGN_RECOVER: deferred("%(who)s held %(what)s back after a restore of the database."),
    Act.CAMPAIGN_REPAIR: deferred("%(who)s repaired the counters of %(what)s."),
    Act.CAMPAIGN_REPLACE: deferred("%(who)s replaced the people of %(what)s."),
    Act.CAMPAIGN_REPORT: deferred("%(who)s downloaded the report of %(what)s."),
    Act.CAMPAIGN_RESUME: deferred("%(who)s resumed %(what)s."),
    Act.CAMPAIGN_RETRY: deferred("%(who)s sent failed messages of %(what)s again."),
    Act.CAMPAIGN_RETRY_UNCERTAIN: deferred("%(who)s sent uncertain messages of %(what)s again."),
    Act.CAMPAIGN_START: deferred("%(who)s started %(what)s."),
    Act.CAMPAIGN_TEST: deferred("%(who)s sent a test of %(what)s."),
    Act.COSTS_EXPORT: deferred("%(who)s downloaded the costs of campaigns."),
    Act.FORWARD_ADD: deferred("%(who)s added %(what)s."),
    Act.FORWARD_DISABLE: deferred("%(who)s disabled %(what)s."),
    Act.FORWARD_ENABLE: deferred("%(who)s enabled %(what)s."),
    Act.FORWARD_REMOVE: deferred("%(who)s removed %(what)s."),
    Act.HOOK_ADD: deferred("%(who)s added %(what)s."),
    Act.HOOK_CHANGE: deferred("%(who)s changed %(what)s."),
    Act.HOOK_DISABLE: deferred("%(who)s disabled %(what)s."),
    Act.HOOK_ENABLE: deferred("%(who)s enabled %(what)s."),
    Act.HOOK_REMOVE: deferred("%(who)s removed %(what)s."),
    Act.HOOK_REPLAY: deferred("%(who)s sent events to %(what)s again."),
    Act.HOOK_ROTATE: deferred("%(who)s made a new secret for %(what)s."),
    Act.HOOK_TEST: deferred("%(who)s sent a test event to %(what)s."),
    Act.OPTOUT_ACCEPT: deferred("%(who)s decided that answers are opt-outs."),
    Act.OPTOUT_DISMISS: deferred("%(who)s decided that answers are no opt-outs."),
    Act.OPTOUT_ERASE: deferred("%(who)s erased the texts of old answers."),
    Act.PERSON_FORGET: deferred("%(who)s erased a person."),
    Act.PORTFOLIO_ADD: deferred("%(who)s added %(what)s."),
    Act.PORTFOLIO_CHANGE: deferred("%(who)s changed %(what)s."),
    Act.PRICES_LOAD: deferred("%(who)s loaded prices of messages."),
    Act.PRICES_REMOVE: deferred("%(who)s removed prices of messages."),
    Act.SECRET_REKEY: deferred("%(who)s encrypted the stored secrets with a new key."),
    Act.SUPPRESSION_ADD: deferred("%(who)s added opt-outs by hand."),
    Act.SUPPRESSION_EXPORT: deferred("%(who)s downloaded the opt-outs."),
    Act.SUPPRESSION_IMPORT: deferred("%(who)s added a file of opt-outs."),
    Act.SUPPRESSION_RECORD: deferred("%(who)s recorded the people who say no in a list as opt-outs."),
    Act.SUPPRESSION_REMOVE: deferred("%(who)s let people get messages again."),
    Act.SYSTEM_RECOVER: deferred("%(who)s prevented second copies after a restore of the database."),
    Act.TEMPLATE_ADD: deferred("%(who)s added %(what)s."),
    Act.TEMPLATE_SYNC: deferred("%(who)s read the templates from Meta."),
    Act.TOKEN_ADD: deferred("%(who)s added %(what)s."),
    Act.TOKEN_REVOKE: deferred("%(who)s revoked %(what)s."),
    Act.USER_ADD: deferred("%(who)s added %(what)s."),
    Act.USER_CHANGE: deferred("%(who)s changed %(what)s."),
    Act.USER_CONFIRM: deferred("%(who)s typed the password again."),
    Act.USER_DISABLE: deferred("%(who)s disabled %(what)s."),
    Act.USER_END_SESSIONS: deferred("%(who)s signed %(what)s out in other browsers."),
    Act.USER_LOG_IN: deferred("%(who)s signed in."),
    Act.USER_LOG_IN_FAILED: deferred("%(who)s failed to sign in."),
    Act.USER_LOG_OUT: deferred("%(who)s signed out."),
    Act.UPLOAD_ADD: deferred("%(who)s uploaded a list."),
    Act.UPLOAD_DISCARD: deferred("%(who)s deleted an uploaded list."),
})  # fmt: skip
# The same acts without their places, for the filter of the page.
_CHOICES: Mapping[Act, str] = MappingProxyType({
    Act.ACCOUNT_ACTIVATE: deferred("account activated"),
    Act.ACCOUNT_ADD: deferred("account added"),
    Act.ACCOUNT_CHANGE: deferred("account changed"),
    Act.ACCOUNT_DEACTIVATE: deferred("account deactivated"),
    Act.ACCOUNT_MOVE: deferred("account moved to another portfolio"),
    Act.AUDIT_ERASE: deferred("old audit events deleted"),
    Act.AUDIT_EXPORT: deferred("audit downloaded"),
    Act.CAMPAIGN_APPROVE: deferred("campaign approved"),
    Act.CAMPAIGN_ASK_APPROVAL: deferred("approval of a campaign asked for"),
    Act.CAMPAIGN_CANCEL: deferred("campaign cancelled"),
    Act.CAMPAIGN_CHANGE: deferred("campaign changed"),
    Act.CAMPAIGN_COPY: deferred("campaign copied"),
    Act.CAMPAIGN_CREATE: deferred("campaign created"),
    Act.CAMPAIGN_DISCARD: deferred("draft discarded"),
    Act.CAMPAIGN_ERASE: deferred("people of an old campaign erased"),
    Act.CAMPAIGN_EXPORT: deferred("messages of a campaign downloaded"),
    Act.CAMPAIGN_IMPORT: deferred("people added to a campaign"),
    Act.CAMPAIGN_PAUSE: deferred("campaign paused"),
    Act.CAMPAIGN_RECOVER: deferred("campaign recovered"),
    Act.CAMPAIGN_REPAIR: deferred("counters of a campaign repaired"),
    Act.CAMPAIGN_REPLACE: deferred("people of a draft replaced"),
    Act.CAMPAIGN_REPORT: deferred("report of a campaign downloaded"),
    Act.CAMPAIGN_RESUME: deferred("campaign resumed"),
    Act.CAMPAIGN_RETRY: deferred("failed messages sent again"),
    Act.CAMPAIGN_RETRY_UNCERTAIN: deferred("uncertain messages sent again"),
    Act.CAMPAIGN_START: deferred("campaign started"),
    Act.CAMPAIGN_TEST: deferred("test sent"),
    Act.COSTS_EXPORT: deferred("costs downloaded"),
    Act.FORWARD_ADD: deferred("forward of webhooks added"),
    Act.FORWARD_DISABLE: deferred("forward of webhooks disabled"),
    Act.FORWARD_ENABLE: deferred("forward of webhooks enabled"),
    Act.FORWARD_REMOVE: deferred("forward of webhooks removed"),
    Act.HOOK_ADD: deferred("hook added"),
    Act.HOOK_CHANGE: deferred("hook changed"),
    Act.HOOK_DISABLE: deferred("hook disabled"),
    Act.HOOK_ENABLE: deferred("hook enabled"),
    Act.HOOK_REMOVE: deferred("hook removed"),
    Act.HOOK_REPLAY: deferred("events sent to a hook again"),
    Act.HOOK_ROTATE: deferred("new secret for a hook"),
    Act.HOOK_TEST: deferred("test event sent to a hook"),
    Act.OPTOUT_ACCEPT: deferred("answers accepted as opt-outs"),
    Act.OPTOUT_DISMISS: deferred("answers dismissed: no opt-outs"),
    Act.OPTOUT_ERASE: deferred("texts of old answers erased"),
    Act.PERSON_FORGET: deferred("person erased"),
    Act.PORTFOLIO_ADD: deferred("portfolio added"),
    Act.PORTFOLIO_CHANGE: deferred("portfolio changed"),
    Act.PRICES_LOAD: deferred("prices loaded"),
    Act.PRICES_REMOVE: deferred("prices removed"),
    Act.SECRET_REKEY: deferred("secrets encrypted with a new key"),
    Act.SUPPRESSION_ADD: deferred("opt-out added"),
    Act.SUPPRESSION_EXPORT: deferred("opt-outs downloaded"),
    Act.SUPPRESSION_IMPORT: deferred("file of opt-outs added"),
    Act.SUPPRESSION_RECORD: deferred("opt-outs of a list recorded"),
    Act.SUPPRESSION_REMOVE: deferred("opt-out ended"),
    Act.SYSTEM_RECOVER: deferred("database recovered"),
    Act.TEMPLATE_ADD: deferred("template added"),
    Act.TEMPLATE_SYNC: deferred("templates read from Meta"),
    Act.TOKEN_ADD: deferred("token added"),
    Act.TOKEN_REVOKE: deferred("token revoked"),
    Act.USER_ADD: deferred("user added"),
    Act.USER_CHANGE: deferred("user changed"),
    Act.USER_CONFIRM: deferred("password typed again"),
    Act.USER_DISABLE: deferred("user disabled"),
    Act.USER_END_SESSIONS: deferred("sessions ended"),
    Act.USER_LOG_IN: deferred("signed in"),
    Act.USER_LOG_IN_FAILED: deferred("failed to sign in"),
    Act.USER_LOG_OUT: deferred("signed out"),
    Act.UPLOAD_ADD: deferred("list uploaded"),
    Act.UPLOAD_DISCARD: deferred("uploaded list deleted"),
})  # fmt: skip
# The kind of a thing in the audit: its words with its name, and its words without one.
_THINGS = {
    "account": lambda name: _("account %(name)s", name=name),
    "campaign": lambda name: _("campaign %(name)s", name=name),
    "forward": lambda name: _("the forward of webhooks to %(name)s", name=name),
    "hook": lambda name: _("hook %(name)s", name=name),
    "portfolio": lambda name: _("portfolio %(name)s", name=name),
    "template": lambda name: _("template %(name)s", name=name),
    "token": lambda name: _("token %(name)s", name=name),
    "user": lambda name: _("user %(name)s", name=name),
    "upload": lambda name: _("list %(name)s", name=name),
}
_WAYS = {
    Surface.CONSOLE: lambda: _("console"),
    Surface.API: lambda: _("program"),
    Surface.CLI: lambda: _("command line"),
}
# The program itself is the actor of a task.
_PROGRAM = "Revoada"

Names = Mapping[tuple[str, int], str]


def list_acts() -> list[tuple[str, str]]:
    """Return each act with its words, in the order of the words."""
    return sorted(((each.value, _(_CHOICES[each])) for each in Act), key=lambda pair: pair[1].casefold())


def act_words(what: str) -> str:
    """Return an act without the person and the thing, such as `campaign started`; its name if it is unknown."""
    return _(_CHOICES[Act(what)]) if what in set(Act) else what


def act_sentence(event: AuditEvent, names: Names) -> Markup:
    """Return what happened, as a sentence with links. `names`: the names of things by their kind and id.

    An act that this version does not know was written by another version.
    """
    who = _PROGRAM if event.actor_kind == ActorKind.TASK else event.actor
    text = (
        _(_ACTS[Act(event.what)])
        if event.what in set(Act)
        else _("%(who)s made a change that this version does not know.")
    )
    sentence = escape(text) % {
        "who": Markup("<strong>{}</strong>").format(who),
        "what": _name_thing(event, names),
    }
    count = _write_count(event)
    return sentence if not count else Markup("{} ({})").format(sentence.removesuffix("."), count)


def way_words(surface: str | None, kind: str) -> str:
    """Return in words whether the console, the API or the command line made the change, or a task without a person."""
    return _("by itself") if surface is None or kind == ActorKind.TASK else _WAYS[Surface(surface)]()


def _name_thing(event: AuditEvent, names: Names) -> Markup:
    """Return the thing that was changed, as a link where it has a page."""
    kind, id_ = event.what.partition(".")[0], event.target_id
    known = names.get((kind, id_)) if id_ is not None else None
    name = known or (event.after or {}).get("name") or (event.before or {}).get("name")
    if kind == "campaign" and id_ is not None:
        words = f"{id_}: {name}" if name else f"{id_}"
        text = _THINGS[kind](words)
        # A draft that was deleted has no page.
        return _link(text, url_for("campaign", campaign_id=id_)) if known else escape(text)
    text = _THINGS[kind](name or id_ or "") if kind in _THINGS else ""
    if kind == "user" and known and may(Right.USER_CHANGE):
        return _link(text, url_for("user", user_id=id_))
    return escape(text)


def _link(text: str, address: str) -> Markup:
    return Markup('<a href="{}">{}</a>').format(address, text)


# The number that a sentence ends with, by the name of the value that has it. The first that an event has counts.
_COUNTS: Mapping[str, Any] = MappingProxyType({
    "recipient_count": lambda count: plural("%(count)s person", "%(count)s people", count),
    "person_count": lambda count: plural("%(count)s person", "%(count)s people", count),
    "phone_count": lambda count: plural("%(count)s phone", "%(count)s phones", count),
    "message_count": lambda count: plural("%(count)s message", "%(count)s messages", count),
    "count": lambda count: plural("%(count)s message", "%(count)s messages", count),
    "uncertain_count": lambda count: plural("%(count)s message", "%(count)s messages", count),
    "answer_count": lambda count: plural("%(count)s answer", "%(count)s answers", count),
    "sent_event_count": lambda count: plural("%(count)s event", "%(count)s events", count),
    "event_count": lambda count: plural("%(count)s entry", "%(count)s entries", count),
})  # fmt: skip
COUNT_NAMES = frozenset(_COUNTS)


def find_count(event: AuditEvent) -> str:
    """Return the name of the value with which the sentence of an event ends; "" if it has none."""
    after = event.after or {}
    if event.before and event.before.keys() & COUNT_NAMES:
        return ""  # the old and the new number stand in the table
    return next((name for name in _COUNTS if isinstance(after.get(name), int)), "")


def _write_count(event: AuditEvent) -> str:
    name = find_count(event)
    return _COUNTS[name]((event.after or {})[name]) if name else ""
