"""A campaign that is not sent names its cause, on its page, in the lists, and while the page is open."""

from __future__ import annotations

from dataclasses import replace

import pytest

from campaigns.doctor.causes import find_causes
from campaigns.domain.users.rights import Role
from campaigns.secrets import encrypt_token
from campaigns.store.installation import load_campaign_states
from console import live
from devstack.ports import free_port
from tests.cli.conftest import ADD_WORKER
from tests.console.conftest import read_text
from tests.simulator.far_end import wait_for
from tests.store.rows import add_account, add_campaign, add_messages, fetch

NO_WORKER = "No worker runs, so nothing is sent."


@pytest.fixture
def tick(database):
    fetch(database, "UPDATE installation SET ticked_at = now() RETURNING 1")


@pytest.fixture
def add_sale(database, settings):
    """Adds a campaign with one account; by default a worker runs that takes campaigns."""

    def add(*, account=None, worker=True, status="pending", **columns):
        def work(connection):
            token = encrypt_token(settings.secret_key, "t")
            chosen = add_account(connection, **({"name": "sales-1", "token": token} | (account or {})))
            campaign = add_campaign(connection, status, accounts=[chosen], **columns)
            add_messages(connection, campaign, 3)
            if worker:
                connection.execute(ADD_WORKER)
            return campaign

        return database.run(work)

    return add


def read_pages(console, campaign_id, language="en"):
    browser = console.sign_in(Role.VIEWER, language=language)
    return [read_text(browser.get(path).text) for path in (f"/campaigns/{campaign_id}", "/", "/campaigns")]


@pytest.mark.usefixtures("tick")
def test_without_a_worker_each_page_says_so(console, add_sale):
    campaign_id = add_sale(worker=False)
    page, now, listed = read_pages(console, campaign_id)
    assert f"{NO_WORKER} Start the role `worker`" in page
    assert NO_WORKER in now
    assert now.index("Need a person") < now.index(NO_WORKER)
    assert NO_WORKER in listed
    assert "Nenhum worker" in read_pages(console, campaign_id, "pt_BR")[0]


@pytest.mark.usefixtures("tick")
def test_a_running_campaign_says_about_when_it_ends_unless_a_person_has_to_act(console, add_sale):
    campaign_id = add_sale(status="running", interval_seconds=86_400)
    browser = console.sign_in()
    assert "ends about" in browser.get(f"/campaigns/{campaign_id}").text
    assert "termina por volta de" in console.sign_in(language="pt_BR").get(f"/campaigns/{campaign_id}").text
    fetch(console.database, "UPDATE accounts SET active = false, inactive_reason = 'by hand' RETURNING 1")
    assert "ends about" not in browser.get(f"/campaigns/{campaign_id}").text


@pytest.mark.usefixtures("tick")
def test_no_wait_that_ends_by_itself_stands_beside_an_inactive_account(console, database, add_sale):
    campaign_id = add_sale(status="running", waiting_reason="interval", due_at="2090-01-01")
    assert all("waits for the interval" in page for page in read_pages(console, campaign_id))
    fetch(database, "UPDATE accounts SET active = false, inactive_reason = 'by hand' RETURNING 1")
    browser = console.sign_in()
    page = read_text(browser.get(f"/campaigns/{campaign_id}").text)
    assert "inactive, sends nothing" in page
    assert "waits for the interval" not in page


@pytest.mark.usefixtures("tick")
def test_a_campaign_that_a_worker_takes_has_no_cause(console, add_sale):
    campaign_id = add_sale()
    page, now, _listed = read_pages(console, campaign_id)
    html = console.sign_in().get(f"/campaigns/{campaign_id}").text
    assert 'class="cause' not in html
    assert 'class="problem' not in html
    assert NO_WORKER not in page
    assert "Need a person" not in now


@pytest.mark.usefixtures("tick")
@pytest.mark.parametrize(
    ("account", "columns", "words"),
    [
        ({"active": False, "inactive_reason": "by hand"}, {}, "Account sales-1 is inactive: by hand."),
        ({"blocked_until": "2090-01-01", "blocked_reason": "130429"}, {}, "has a cooldown until 2090-01-01"),
        ({}, {"window_from": "08:00", "window_to": "08:01", "weekdays": [1]}, "The window of campaign"),
    ],
)
def test_the_cause_in_the_campaign_or_its_account_is_named(console, add_sale, account, columns, words):
    page, now, _listed = read_pages(console, add_sale(account=account, **columns))
    assert words in page
    assert words in now


@pytest.mark.usefixtures("tick")
def test_a_cooldown_is_no_cause_while_another_account_may_send(database, settings, add_sale):
    campaign_id = add_sale(account={"blocked_until": "2090-01-01", "blocked_reason": "130429"})
    assert [each.code for each in find_causes(database, settings, [campaign_id])[campaign_id]] == ["account_rests"]

    def work(connection):
        other = add_account(connection, name="sales-2", token=encrypt_token(settings.secret_key, "t"))
        connection.execute("INSERT INTO campaign_accounts VALUES (%s, %s)", (campaign_id, other))

    database.run(work)
    assert find_causes(database, settings, [campaign_id]) == {campaign_id: []}


@pytest.mark.usefixtures("tick")
def test_a_valkey_that_does_not_answer_is_the_cause_before_a_wait(database, settings, add_sale):
    campaign_id = add_sale(status="running", waiting_reason="interval", due_at="2090-01-01")
    away = replace(settings, redis_url=f"redis://localhost:{free_port()}/0")
    assert [each.code for each in find_causes(database, away, [campaign_id])[campaign_id]] == ["valkey_away"]
    assert [each.code for each in find_causes(database, settings, [campaign_id])[campaign_id]] == ["waits_interval"]


def test_without_a_tick_that_is_the_cause(database, settings, add_sale):
    campaign_id = add_sale()
    assert [each.code for each in find_causes(database, settings, [campaign_id])[campaign_id]] == ["tick"]


@pytest.mark.usefixtures("tick")
def test_a_cause_that_ends_leaves_an_open_page(console, database, monkeypatch, add_sale):
    monkeypatch.setattr(live, "CAUSES_SECONDS", 0.0)
    hub = console.app.extensions["revoada.hub"]
    hub._every_seconds = 0.05
    campaign_id = add_sale(worker=False)
    with hub.watch([campaign_id], "a") as watch:
        snapshot = hub.wait(watch, [campaign_id], 0, seconds=10)
        assert [each.code for each in snapshot.campaigns[campaign_id].causes] == ["no_worker"]
        database.run(lambda connection: connection.execute(ADD_WORKER))
        wait_for(lambda: not hub.wait(watch, [campaign_id], 0, seconds=10).campaigns[campaign_id].causes)


@pytest.mark.usefixtures("tick")
def test_no_message_is_read_for_the_causes(database, settings, add_sale):
    """A campaign may have a million messages, and the causes are looked for each few seconds."""
    campaign_id = add_sale(status="running")

    database.run(add_messages, campaign_id, 2, "uncertain", account_id=1)
    states = database.run(lambda connection: load_campaign_states(connection, [campaign_id], reads_messages=False))
    assert states[campaign_id].uncertain_since is None
    assert database.run(load_campaign_states, [campaign_id])[campaign_id].uncertain_since is not None
    assert find_causes(database, settings, [campaign_id]) == {campaign_id: []}
