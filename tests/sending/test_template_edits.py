"""A template is edited at Meta while a campaign runs: nobody is lost by it, and nobody gets the message twice."""

from __future__ import annotations

import pytest
from psycopg.types.json import Jsonb

from campaigns.domain.verdict import Retry
from campaigns.management.retries import retry_failed
from campaigns.sending.run import run_slice
from campaigns.sending.start import begin_slice
from campaigns.store.events import wake_template_campaigns
from tests.store.rows import add_campaign, add_crowd, add_template, fetch
from tests.support.actors import TESTER

PEOPLE = 60
OURS, EDITED = "Oi!", "Oi {{1}}!"


@pytest.fixture
def tools(make_tools, far):
    far.script(limits={"messages_per_second": 0})
    return make_tools(f"{far.url}/v24.0", slice_seconds=600.0, template_retry_seconds=3600.0)


@pytest.fixture
def campaign_id(database, add_sender):
    template_id = database.run(
        add_template, name="promo", language="pt_BR", components=Jsonb([{"type": "BODY", "text": OURS}])
    )
    campaign_id = database.run(add_campaign, accounts=[add_sender()], template_id=template_id)
    database.run(add_crowd, campaign_id, PEOPLE)
    return campaign_id


def let_meta_have(far, body):
    far.script(templates=[{"name": "promo", "language": "pt_BR", "body": body}])


def run(database, tools, campaign_id):
    """End the wait for the template, as a sync does, and run a slice."""
    database.run(wake_template_campaigns, fetch(database, "SELECT id FROM templates"))
    run_slice(begin_slice(campaign_id, tools), tools)
    return dict(fetch(database, "SELECT status::text, count(*) FROM messages GROUP BY 1"))


def test_who_was_refused_by_an_edit_gets_the_message_once_after_its_cure_and_a_retry(database, far, tools, campaign_id):
    let_meta_have(far, EDITED)
    failed = run(database, tools, campaign_id)["failed"]
    assert 20 <= failed < PEOPLE
    assert fetch(database, "SELECT waiting_reason FROM campaigns") == ["template"]

    # The edit stays: one message tries the template.
    failed += 1
    assert run(database, tools, campaign_id) == {"failed": failed, "pending": PEOPLE - failed}

    let_meta_have(far, OURS)
    assert run(database, tools, campaign_id) == {"failed": failed, "sent": PEOPLE - failed}
    assert fetch(database, "SELECT status::text FROM campaigns") == ["completed"]

    retried = retry_failed(database, campaign_id, frozenset({Retry.REPAIRED}), actor=TESTER)
    assert sum(each.count for each in retried.again) == failed
    assert run(database, tools, campaign_id) == {"sent": PEOPLE}
    assert far.stats()["max_accepted_per_recipient"] == 1
