"""Starts campaign after campaign. Each lane has its own account and people, and runs one campaign at a time."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass, field
from pathlib import Path

from celery import Celery
from kombu.exceptions import KombuError, OperationalError

from benchmarks.chaos.world import World
from campaigns.domain.statement import Refusal
from campaigns.domain.users.actor import Actor, ActorKind, Surface
from campaigns.management import lifecycle
from campaigns.management.accounts import add_account, add_template
from campaigns.management.campaigns import CampaignChanges, create_campaign
from campaigns.store.database import DatabaseError

ACTOR = Actor("chaos", ActorKind.CLI, Surface.CLI)
_WABA = "220000000000001"
# Faults of the network must not deactivate an account, because nobody activates it again.
_FAILURE_LIMIT = 1_000_000
_POLL_SECONDS = 0.3
# The possible numbers of people in a campaign. A campaign of one person may begin and end within one fault.
PEOPLE = (1, 60, 400, 1500)


@dataclass(frozen=True, slots=True)
class Batch:
    """A campaign with its `count` people from number `first` on. A batch does not depend on the database."""

    campaign_id: int
    lane: int
    first: int
    count: int

    @property
    def phones(self) -> list[str]:
        return [phone(number) for number in range(self.first, self.first + self.count)]


def phone(number: int) -> str:
    """Return the phone of person `number`, a Brazilian mobile number."""
    return f"+55219{number:08d}"


@dataclass
class Lanes:
    """Starts the next campaign of a lane as soon as the previous one has completed, until `stop` is called."""

    world: World
    seed: int
    count: int
    rate: int
    batches: list[Batch] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._stopping = threading.Event()
        self._next_person = 0
        self._celery = Celery("chaos", set_as_current=False)
        self._celery.conf.update(broker_transport_options={"socket_timeout": 2, "socket_connect_timeout": 1})
        self._thread = threading.Thread(target=self._run, name="lanes", daemon=True)

    def start(self) -> None:
        database, key = self.world.database, self.world.stack.environment["REVOADA_SECRET_KEY"]
        add_template(database, "chaos", actor=ACTOR, language="pt_BR", body="Oi {{1}}!")
        for lane in range(self.count):
            add_account(
                database, f"lane-{lane}", phone_number_id=self.number(lane), waba_id=_WABA, token="t", actor=ACTOR,
                secret_key=key, messages_per_second=self.rate, failure_limit=_FAILURE_LIMIT,
            )  # fmt: skip
            self._add(lane)
        self._thread.start()

    def stop(self) -> None:
        """Start no further campaign."""
        self._stopping.set()
        self._thread.join()

    @staticmethod
    def number(lane: int) -> str:
        return f"5511000000{lane:05d}"

    def current(self) -> dict[int, Batch]:
        """Return the newest campaign of each lane."""
        return {batch.lane: batch for batch in list(self.batches)}

    def enqueue(self, campaign_ids: list[int], *, times: int = 1) -> None:
        """Enqueue campaigns like `campaign start`. If the broker is down, do nothing: a tick will enqueue them."""
        try:
            url = self.world.broker_url
            with self._celery.connection_for_write(url) as connection, connection.Producer() as producer:
                for campaign_id in campaign_ids * times:
                    self._celery.send_task(
                        "campaigns.run", (campaign_id,), queue="campaigns", expires=3, producer=producer, retry=False
                    )
        except (OSError, KombuError, OperationalError):
            return

    def unfinished(self) -> list[int]:
        ids = [batch.campaign_id for batch in self.batches]
        rows = self.world.ask("SELECT id FROM campaigns WHERE id = ANY (%s) AND status <> 'completed'", ids)
        return [row[0] for row in rows]

    def _run(self) -> None:
        while not self._stopping.wait(_POLL_SECONDS):
            try:
                unfinished = set(self.unfinished())
                for lane, batch in self.current().items():
                    if batch.campaign_id not in unfinished and not self._stopping.is_set():
                        self._add(lane)
            except DatabaseError:
                continue  # a fault of Postgres is active

    def _add(self, lane: int) -> None:
        count, first = self._random.choice(PEOPLE), self._next_person
        self._next_person += count
        name = f"lane {lane} from {first}"
        path = self.world.stack.folder / "recipients.csv"
        path.write_text("phone,nome\n" + "".join(f"{phone(n)},Ana\n" for n in range(first, first + count)))
        changes = CampaignChanges(name=name, template="chaos:pt_BR", accounts=[f"lane-{lane}"])
        self.world.retry_until_done(lambda: self._create_once(changes, path))
        [(campaign_id,)] = self.world.ask("SELECT id FROM campaigns WHERE name = %s", name)
        self.world.retry_until_done(lambda: self._start_once(campaign_id))
        self.batches.append(Batch(campaign_id, lane, first, count))
        self.enqueue([campaign_id])

    def _create_once(self, changes: CampaignChanges, recipients: Path) -> None:
        """Create the campaign unless an earlier attempt, whose reply was lost, has created it."""
        if not self.world.ask("SELECT FROM campaigns WHERE name = %s", changes.name):
            create_campaign(self.world.database, changes, recipients, actor=ACTOR, time_zone="America/Sao_Paulo")

    def _start_once(self, campaign_id: int) -> None:
        try:
            lifecycle.start_campaigns(self.world.database, [campaign_id], actor=ACTOR)
        except Refusal as refusal:
            if refusal.code != "cannot_start":
                raise
            return  # an earlier attempt, whose reply was lost, has started it
