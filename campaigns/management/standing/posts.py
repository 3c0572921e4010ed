"""Posts single messages to standing campaigns: one key, one message. The claim decides whether and when it is sent."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from campaigns.domain.campaign import CampaignStatus, missing_campaign
from campaigns.domain.filling import Misfit, fill
from campaigns.domain.phone.number import PhoneReader, make_phone_reader
from campaigns.domain.phone.person import invalid_phone, recipient_key
from campaigns.domain.phone.written import PhoneError
from campaigns.domain.statement import Hint, HintAction, Kind, Problem, Refusal
from campaigns.domain.users.actor import Actor
from campaigns.management.campaigns import CampaignChanges, draft_campaign
from campaigns.management.hours.quiet_hours import QuietHours
from campaigns.management.lifecycle import ids_to_enqueue, start_campaigns
from campaigns.management.listings.recipients import explain_message
from campaigns.management.template_choice import read_template
from campaigns.privacy.forgotten_people import find_forgotten
from campaigns.store import campaigns as campaign_store
from campaigns.store.accounts import find_account_ids
from campaigns.store.campaigns import LockedCampaign
from campaigns.store.database import Connection, Database, JoinedDatabase
from campaigns.store.people import lock_forgotten
from campaigns.store.standing import posts as store
from campaigns.store.standing.posts import PostKey, PostRow, SingleMessage
from campaigns.store.templates import load_template

if TYPE_CHECKING:
    from campaigns.config import Settings

_TAKES_POSTS = frozenset({
    CampaignStatus.PENDING, CampaignStatus.SCHEDULED, CampaignStatus.RUNNING, CampaignStatus.PAUSED,
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where a message is posted: to a standing campaign, or by an account with a template, `name:language`."""

    campaign_id: int | None = None
    account: str = ""
    template: str = ""


@dataclass(frozen=True, slots=True)
class Post:
    """A message that a program posts. `phone`: such as +5511999990000. `values`: by variable, the value."""

    destination: Destination
    key: str
    phone: str
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Posted:
    """A message that was posted now or earlier. `is_replay`: the key was in use for the same message.

    `should_enqueue`: the caller enqueues the campaign after the commit.
    """

    id: int
    campaign_id: int
    status: str
    is_replay: bool
    should_enqueue: bool


@dataclass(frozen=True, slots=True)
class ShownMessage:
    """A message as it is now. `meaning`: what the error code means; "" if the message has no error."""

    row: SingleMessage
    meaning: str


def post_message(database: Database, post: Post, *, actor: Actor, settings: Settings) -> Posted:
    """Add a message to a standing campaign, unless its key is in use. When this returns, the message is committed.

    The first message by an account with a template makes and starts a standing campaign for both. Raises Refusal: the
    key belongs to another message, the values do not fit the template, the person was forgotten, or the campaign takes
    no messages.
    """
    return database.run(_post, post, actor, settings)


def find_message(database: Database, message_id: int) -> ShownMessage:
    """Return a message. Raises Refusal if there is none."""
    return database.run(_show, message_id)


def find_posted(database: Database, destination: Destination, key: str) -> ShownMessage:
    """Return the message that was posted with a key. Raises Refusal if there is none."""

    def find(connection: Connection) -> ShownMessage:
        campaign_id, _ = _find_place(connection, destination)
        found = None if campaign_id is None else store.find_post(connection, _make_key(campaign_id, key))
        if found is None:
            raise Refusal("message_missing", "No message was posted with this key.", kind=Kind.MISSING)
        return _show(connection, found.id)

    return database.run(find)


def _post(connection: Connection, post: Post, actor: Actor, settings: Settings) -> Posted:
    campaign_id, account_id = _find_place(connection, post.destination)
    must_enqueue = False
    if campaign_id is None:
        assert account_id is not None
        campaign_id, must_enqueue = _make_standing(connection, post.destination, account_id, actor, settings)
    campaign = campaign_store.lock_campaigns(connection, [campaign_id]).get(campaign_id)
    if campaign is None:
        raise missing_campaign(campaign_id)
    _demand_standing(campaign)
    key = _make_key(campaign_id, post.key)
    variables = _read_values(connection, campaign, post.values)
    phone = _read_phone(post.phone)
    if (before := store.find_post(connection, key)) is not None:
        return _replay(before, campaign_id, phone, variables)
    _demand_open(campaign)
    lock_forgotten(connection)
    if find_forgotten(connection, [recipient_key(phone)], secret_key=settings.secret_key):
        raise Refusal(
            "phone_suppressed",
            "{phone} must not be messaged: {list_suppressions} says why, {lift} lifts it.",
            kind=Kind.FORBIDDEN,
            phone=phone,
            list_suppressions=Hint(HintAction.LIST_SUPPRESSIONS),
            lift=Hint(HintAction.LIFT_SUPPRESSION),
        )
    message_id = store.insert_post(connection, key, phone=phone, variables=variables, posted_by=actor.name)
    if message_id is None:  # another transaction used the key of an account in another campaign meanwhile
        raced = store.find_post(connection, key)
        assert raced is not None
        return _replay(raced, campaign_id, phone, variables)
    should_enqueue = store.note_post(connection, campaign_id) or must_enqueue
    return Posted(message_id, campaign_id, "pending", is_replay=False, should_enqueue=should_enqueue)


def _replay(before: PostRow, campaign_id: int, phone: str, variables: Sequence[str]) -> Posted:
    """Return the message that has the key. Raises Refusal if it is another message.

    If the person of the message was erased, the request is not compared.
    """
    is_same = before.recipient_key is None or (before.recipient_key, before.variables) == (
        recipient_key(phone),
        list(variables),
    )
    if before.campaign_id != campaign_id or not is_same:
        raise Refusal("message_key_reused", "This key belongs to another message: take a new one for each message.")
    return Posted(before.id, campaign_id, before.status, is_replay=True, should_enqueue=False)


def _find_place(connection: Connection, destination: Destination) -> tuple[int | None, int | None]:
    """Return the campaign, and the account if the destination names one. The campaign is None if it is not made yet."""
    if destination.campaign_id is not None:
        return destination.campaign_id, None
    (account_id,) = find_account_ids(connection, [destination.account])
    return store.find_standing(connection, account_id, destination.template), account_id


def _make_standing(
    connection: Connection, destination: Destination, account_id: int, actor: Actor, settings: Settings
) -> tuple[int, bool]:
    """Make and start the standing campaign of an account and a template, unless another transaction was faster.

    Return its id, and whether the caller enqueues it.
    """
    store.lock_standing(connection, account_id, destination.template)
    if (found := store.find_standing(connection, account_id, destination.template)) is not None:
        return found, False
    database = JoinedDatabase(connection)
    changes = CampaignChanges(
        name=f"{destination.template} ({destination.account})",
        template=destination.template,
        accounts=[destination.account],
        is_standing=True,
    )
    quiet_hours: QuietHours | None = settings.quiet_hours
    made = draft_campaign(database, changes, actor=actor, time_zone=settings.time_zone, quiet_hours=quiet_hours)
    store.note_standing_account(connection, made.id, account_id)
    moves = start_campaigns(database, [made.id], actor=actor, approve_above=settings.approve_above)
    return made.id, bool(ids_to_enqueue(moves))


def _make_key(campaign_id: int, key: str) -> PostKey:
    return PostKey(campaign_id, hashlib.sha256(key.encode()).digest())


def _demand_standing(campaign: LockedCampaign) -> None:
    if not campaign.is_standing:
        raise campaign.facts.conflict(
            "campaign_not_standing",
            "Campaign {id} ({name}) has a list. Only a standing campaign takes single messages: {create} makes one.",
            create=Hint(HintAction.CREATE_CAMPAIGN),
        )


def _demand_open(campaign: LockedCampaign) -> None:
    """Raise Refusal unless the campaign will send a message that is posted now: a paused one when it is resumed."""
    facts = campaign.facts
    if facts.status is CampaignStatus.DRAFT:
        raise facts.conflict(
            "standing_not_started",
            "Campaign {id} ({name}) is a draft: it takes messages after {start}.",
            start=Hint(HintAction.START_CAMPAIGN, campaign.id),
        )
    has_expired = facts.expire_at is not None and facts.expire_at <= campaign.server_now
    if facts.status not in _TAKES_POSTS or has_expired:
        raise facts.conflict(
            "standing_ended",
            "Campaign {id} ({name}) has ended: it takes no more messages. {create} makes a new standing campaign.",
            create=Hint(HintAction.CREATE_CAMPAIGN),
        )


def _read_phone(text: str) -> str:
    if not text.startswith("+"):
        raise invalid_phone(text)
    try:
        return _phone_reader()(text)
    except PhoneError as error:
        raise invalid_phone(text) from error


@lru_cache(1)
def _phone_reader() -> PhoneReader:
    return make_phone_reader("BR", takes_tests=True)  # each phone has its country code, so the country does not matter


def _read_values(connection: Connection, campaign: LockedCampaign, values: Mapping[str, str]) -> list[str]:
    """Return the values in the order in which a send takes them. Raises Refusal if they do not fit the template."""
    columns = campaign.columns
    if unknown := sorted(values.keys() - set(columns)):
        raise Refusal(
            "value_unknown",
            "The messages of campaign {id} have no value {value!r}. They need: {columns}.",
            id=campaign.id,
            value=unknown[0],
            columns=columns,
        )
    if missing := [name for name in columns if name not in values]:
        raise Refusal(
            "value_absent", "The messages of campaign {id} need a value {value!r}.", id=campaign.id, value=missing[0]
        )
    template = read_template(load_template(connection, campaign.template_id))
    filling = fill(template, campaign.parameters)
    given = [values[name] for name in columns]
    if filling.names != columns:
        return given  # the template was edited at Meta: the campaign waits until a person has decided
    read = filling.make_reader()(given)
    if isinstance(read, Misfit):
        raise Refusal(
            "value_invalid",
            "The value {value!r} of a message {problem}.",
            value=columns[read.position],
            problem=Problem(read.reason),
        )
    return read


def _show(connection: Connection, message_id: int) -> ShownMessage:
    row = store.load_message(connection, message_id)
    if row is None:
        raise Refusal("message_missing", "There is no message {id}.", kind=Kind.MISSING, id=message_id)
    return ShownMessage(row, explain_message(row.status, row.error_code))
