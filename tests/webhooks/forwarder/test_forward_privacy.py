"""Bodies that wait for a target are personal data: `forget` and the retention delete them."""

from __future__ import annotations

import datetime as dt

from campaigns.privacy.erasure import forget
from campaigns.privacy.retention import retain_forwards
from campaigns.secrets import make_key
from campaigns.store.database import Database
from campaigns.store.events import insert_events
from campaigns.store.forwards.forwards import insert_forward, list_forwards, note_delivery
from tests.store.rows import add_campaign, add_message, fetch
from tests.support.actors import TESTER
from tests.webhooks.webhook_bodies import make_body, make_status, make_value
from webhooks.forwarder.route import route_bodies

ANA, BIA = "+5511987650001", "+5511987650002"
# The number that WhatsApp gives Ana, without the ninth digit.
ANA_ID = "551187650001"


def add(database: Database) -> int:
    return database.run(insert_forward, "https://crm.example.com/", fields=[], phone_number_ids=[], secret=None)


def receive(database: Database, **changes: str) -> None:
    database.run(insert_events, [make_body(make_value(make_status(**changes)))])


def test_forget_deletes_what_waits_about_the_person_and_nothing_else(database):
    add(database)
    campaign_id = database.run(add_campaign)
    database.run(add_message, campaign_id, "sent", phone=ANA, recipient_key=ANA, wamid="wamid.ANA")
    routed = ({"recipient_id": ANA_ID}, {"recipient_id": "1", "id": "wamid.ANA"}, {"recipient_id": BIA.strip("+")})
    for changes in routed:
        receive(database, **changes)
    route_bodies(database)
    receive(database, recipient_id=ANA.strip("+"))
    receive(database, recipient_id=BIA.strip("+"))
    fetch(database, "DELETE FROM webhook_events")
    done = forget(database, ANA, actor=TESTER, secret_key=make_key())
    assert done.erased.event_count == 3
    assert fetch(database, "SELECT inbox_id FROM forward_bodies") == [3]
    assert fetch(database, "SELECT id FROM forward_inbox") == [5]


def test_what_was_under_way_when_the_person_was_forgotten_is_no_error(database):
    forward_id = add(database)
    receive(database, recipient_id=ANA_ID)
    route_bodies(database)
    fetch(database, "DELETE FROM webhook_events")
    forget(database, ANA, actor=TESTER, secret_key=make_key())
    assert database.run(note_delivery, forward_id, 1) == (False, 0)


def age(database: Database, age: dt.timedelta) -> None:
    for table in ("forward_inbox", "forward_bodies"):
        fetch(database, f"UPDATE {table} SET received_at = now() - %s", age)


def test_what_waits_is_kept_for_four_days_and_no_longer(database, caplog):
    add(database)
    receive(database)
    route_bodies(database)
    receive(database)
    age(database, dt.timedelta(days=3, hours=23))
    retain_forwards(database, days=0)
    assert fetch(database, "SELECT count(*) FROM forward_bodies UNION ALL SELECT count(*) FROM forward_inbox") == [1, 1]
    age(database, dt.timedelta(days=4, hours=1))
    retain_forwards(database, days=90)
    assert fetch(database, "SELECT count(*) FROM forward_bodies UNION ALL SELECT count(*) FROM forward_inbox") == [0, 0]
    assert database.run(list_forwards)[0].given_up_count == 1
    assert [each.event for each in caplog.records if each.levelname == "WARNING"] == ["forward_given_up"]


def test_a_shorter_retention_holds_for_what_waits(database):
    add(database)
    receive(database)
    route_bodies(database)
    age(database, dt.timedelta(days=2))
    retain_forwards(database, days=1)
    assert fetch(database, "SELECT count(*) FROM forward_bodies") == [0]
