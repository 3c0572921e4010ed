"""Live numbers: what a stream sends, when it ends, and how much the hub asks Postgres."""

from __future__ import annotations

import datetime as dt
import threading
from dataclasses import replace

import psycopg
import pytest

from campaigns.domain.users.rights import Role
from campaigns.management.users.sessions import end_sessions
from campaigns.store.campaigns import list_campaigns
from console import live, views
from console.live import Hub, Rates, TooManyStreamsError
from console.pages import streams
from tests.simulator.far_end import wait_for
from tests.store.rows import add_account, add_campaign, add_messages, fetch
from tests.support.actors import TESTER

COMMENT = {"": ""}
TOO_MANY = ",".join(map(str, range(1, 60)))


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(streams, "COMMENT_SECONDS", 0.3)


@pytest.fixture
def console(console):
    console.app.extensions["revoada.hub"]._every_seconds = 0.05
    return console


@pytest.fixture
def hub(console):
    return console.app.extensions["revoada.hub"]


@pytest.fixture
def campaign_id(database):
    def work(connection):
        campaign = add_campaign(connection, "running", accounts=[add_account(connection)])
        add_messages(connection, campaign, 5)
        return campaign

    return database.run(work)


class Stream:
    """Reads the events of an open stream one by one."""

    def __init__(self, browser, path):
        self.answer = browser.get(path, buffered=False)
        assert self.answer.status_code == 200, self.answer.text
        self._lines = iter(self.answer.iter_encoded())
        self._rest = ""

    def read(self):
        """The next block, which may be a comment: a dict of its fields."""
        while "\n\n" not in self._rest:
            self._rest += next(self._lines).decode()
        block, _, self._rest = self._rest.partition("\n\n")
        fields = {}
        for line in block.split("\n"):
            name, _, value = line.partition(":")
            fields[name] = f"{fields[name]}\n{value.strip()}" if name in fields else value.strip()
        return fields

    def read_event(self):
        while True:
            event = self.read()
            if event != COMMENT:
                return event

    def is_over(self):
        return next(self._lines, None) is None

    def close(self):
        self.answer.close()


@pytest.fixture
def open_stream(campaign_id):
    opened = []

    def open_one(browser, kind="campaign", ids=None):
        opened.append(Stream(browser, f"/live/{kind}?ids={ids or campaign_id}"))
        return opened[-1]

    yield open_one
    for each in opened:
        each.close()


def test_the_first_event_is_whole_and_the_next_one_has_what_changed(console, database, campaign_id, open_stream):
    stream = open_stream(console.sign_in())
    assert stream.answer.headers["Content-Type"].startswith("text/event-stream")
    assert stream.answer.headers["Cache-Control"] == "no-store"
    assert stream.answer.headers["X-Accel-Buffering"] == "no"
    first = stream.read_event()
    assert (first["retry"], first["id"]) == ("3000", "1")
    assert f'<hx-partial hx-target="#campaign-{campaign_id}" hx-swap="outerMorph">' in first["data"]
    assert '<hx-partial hx-target="#live-state"' in first["data"]
    database.run(add_messages, campaign_id, 7)
    following = stream.read_event()
    while "12" not in following["data"]:  # the rate comes with the second look
        following = stream.read_event()
    assert int(following["id"]) > 1
    assert "live-state" not in following["data"]


def test_a_quiet_stream_sends_comments(console, open_stream):
    stream = open_stream(console.sign_in())
    assert stream.read() == COMMENT
    assert stream.read() != COMMENT
    while stream.read() != COMMENT:  # the rate comes with the second look
        pass
    assert [stream.read(), stream.read()] == [COMMENT, COMMENT]


def test_a_stream_speaks_the_language_of_its_user(console, open_stream):
    english, portuguese = open_stream(console.sign_in()), open_stream(console.sign_in(language="pt_BR"))
    assert "In our queue" in english.read_event()["data"]
    assert "Na nossa fila" in portuguese.read_event()["data"]


def test_the_buttons_of_a_stream_are_those_of_the_role(console, open_stream):
    assert "/pause" in open_stream(console.sign_in(Role.OPERATOR)).read_event()["data"]
    assert "/pause" not in open_stream(console.sign_in(Role.VIEWER)).read_event()["data"]


def test_a_campaign_that_ends_closes_its_stream(console, database, campaign_id, open_stream):
    stream = open_stream(console.sign_in())
    stream.read_event()
    fetch(
        database,
        "UPDATE campaigns SET status = 'cancelled', cancelled_at = now() WHERE id = %s RETURNING 1",
        campaign_id,
    )
    events = [stream.read_event()]
    while "event" not in events[-1]:
        events.append(stream.read_event())
    assert events[-1]["event"] == "done"
    assert "Receipts that arrive later are shown when you load the page again." in events[-2]["data"]
    assert '<hx-partial hx-target="#live-line"' in events[-2]["data"]
    assert "<button" not in events[-2]["data"]
    assert "5" in events[-2]["data"].split('id="left-out-')[1].split("cancelled")[0]
    assert "cancelled" in events[-3]["data"]
    assert stream.is_over()


@pytest.fixture
def failed_id(database, campaign_id):
    """A campaign in which all messages have failed, so a worker will complete it."""
    fetch(database, "DELETE FROM messages RETURNING 1")
    database.run(lambda connection: add_messages(connection, campaign_id, 3, "failed", error_code=131026, account_id=1))
    return campaign_id


def end_streams(database, campaign_id, opened):
    """Complete the campaign, and return the last fragments of each stream."""
    for each in opened:
        each.read_event()
    end = "UPDATE campaigns SET status = 'completed', completed_at = now() WHERE id = %s RETURNING 1"
    fetch(database, end, campaign_id)
    found = []

    def read(stream):
        events = [stream.read_event()]
        while "event" not in events[-1]:
            events.append(stream.read_event())
        found.append(events[-2]["data"])

    readers = [threading.Thread(target=read, args=(each,)) for each in opened]
    for each in readers:
        each.start()
    for each in readers:
        each.join()
    return found


def test_why_messages_failed_is_read_once_for_all_who_watch_the_end(
    console, database, failed_id, open_stream, monkeypatch
):
    opened = [open_stream(console.sign_in(name=name)) for name in ("ana", "joao", "maria")]
    calls, show_errors = [], views.show_errors
    monkeypatch.setattr(views, "show_errors", lambda *arguments: calls.append(arguments) or show_errors(*arguments))
    found = end_streams(database, failed_id, opened)
    assert len(calls) == 1
    assert ["code=131026" in each for each in found] == [True] * 3


def test_the_end_is_shown_while_postgres_does_not_answer(console, database, failed_id, open_stream, monkeypatch):
    def refuse(*_):
        raise psycopg.OperationalError("away")

    monkeypatch.setattr(views, "show_errors", refuse)
    (found,) = end_streams(database, failed_id, [open_stream(console.sign_in())])
    assert "Receipts that arrive later" in found


def test_receipts_after_the_end_are_still_shown(console, database, campaign_id, open_stream):
    fetch(database, "DELETE FROM messages RETURNING 1")
    (message,) = database.run(lambda connection: add_messages(connection, campaign_id, 1, "sent", account_id=1))
    end = "UPDATE campaigns SET status = 'completed', completed_at = now() WHERE id = %s RETURNING 1"
    fetch(database, end, campaign_id)
    stream = open_stream(console.sign_in())
    assert "no receipt yet" in stream.read_event()["data"]
    while stream.read() != COMMENT:
        pass
    fetch(database, "UPDATE messages SET status = 'delivered', delivered_at = now() WHERE id = %s RETURNING 1", message)
    events = [stream.read_event()]
    while "event" not in events[-1]:
        events.append(stream.read_event())
    assert "no receipt yet" not in events[0]["data"]
    assert events[-1]["event"] == "done"


def test_the_sentence_about_a_start_goes_when_the_campaign_ends(console, database, campaign_id, open_stream):
    browser = console.sign_in()
    page = browser.get(f"/campaigns/{campaign_id}?done=started").text
    assert f'hx-sse:connect="/live/campaign?ids={campaign_id}&amp;done=started"' in page
    assert "The campaign is started." in page
    stream = open_stream(browser, ids=f"{campaign_id}&done=started")
    assert "The campaign is started." in stream.read_event()["data"]
    fetch(database, "UPDATE campaigns SET status = 'paused' WHERE id = %s RETURNING 1", campaign_id)
    data = stream.read_event()["data"]
    while 'id="done"' not in data:
        data = stream.read_event()["data"]
    assert '<div id="done"></div>' in data
    assert "The campaign is started." not in browser.get(f"/numbers/campaign?ids={campaign_id}&done=started").text


def test_a_stream_ends_with_its_session(console, database, monkeypatch, open_stream):
    monkeypatch.setattr(streams, "SESSION_SECONDS", 0.0)
    browser = console.sign_in()
    stream = open_stream(browser)
    stream.read_event()
    (user_id,) = fetch(database, "SELECT id FROM users")
    end_sessions(database, user_id, actor=TESTER)
    while (event := stream.read_event()).get("event") is None:
        pass
    assert event["event"] == "signed-out"
    assert stream.is_over()


def test_a_stream_ends_when_the_server_stops(console, hub, open_stream):
    stream = open_stream(console.sign_in())
    stream.read_event()
    hub.is_stopping = lambda: True
    assert not [each for each in iter(lambda: next(stream._lines, None), None) if b"data" in each]


def test_a_stream_ends_after_its_life(console, monkeypatch, open_stream):
    monkeypatch.setattr(streams, "LIFE_SECONDS", 0.0)
    stream = open_stream(console.sign_in())
    assert stream.read() == COMMENT
    assert stream.is_over()


def test_while_postgres_is_away_the_numbers_stay_with_their_time(console, hub, campaign_id, monkeypatch, open_stream):
    stream = open_stream(console.sign_in())
    stream.read_event()
    database = hub._database

    class Gone:
        def run(self, *_):
            raise psycopg.OperationalError("gone")

    hub._database = Gone()
    event = stream.read_event()
    while "live-state" not in event["data"]:
        event = stream.read_event()
    assert "The database does not answer. The numbers are those of" in event["data"]
    assert "campaign-" not in event["data"]
    hub._database = database
    event = stream.read_event()
    while "live-state" not in event["data"]:
        event = stream.read_event()
    assert "The numbers are live." in event["data"]


def test_many_streams_need_one_query_and_one_rendering(console, hub, monkeypatch, open_stream):
    asked, rendered = [], []
    database, render = hub._database, streams._render

    class Counting:
        def run(self, *arguments):
            asked.append(arguments)
            return database.run(*arguments)

    hub._database = Counting()
    hub._every_seconds = 0.4
    monkeypatch.setattr(streams, "_render", lambda *arguments: rendered.append(arguments) or render(*arguments))
    browsers = [console.sign_in(name=f"user-{number}") for number in range(5)]
    opened = [open_stream(each) for each in browsers for _ in range(4)]
    numbers = [int(each.read_event()["id"]) for each in opened]
    # The number of a snapshot counts those before it, whether a stream was fast enough to show each of them or not.
    snapshots = hub._snapshot.number
    assert max(numbers) <= snapshots
    assert len(asked) <= snapshots + 1
    assert len(rendered) <= snapshots + 1


def test_the_hub_rests_while_nobody_watches(console, hub, open_stream):
    stream = open_stream(console.sign_in())
    stream.read_event()
    assert hub._thread is not None
    stream.close()
    wait_for(lambda: hub._thread is None)
    assert hub.stream_count == 0
    again = open_stream(
        console.browser_of_first() if hasattr(console, "browser_of_first") else console.sign_in(name="b")
    )
    assert "hx-partial" in again.read_event()["data"]


def test_the_eleventh_stream_of_a_session_ends_the_oldest_which_then_polls(console, campaign_id, open_stream):
    """A browser that loads page after page leaves streams behind, which the server does not notice at once."""
    browser = console.sign_in()
    opened = [open_stream(browser) for _ in range(live.MAX_STREAMS_OF_SESSION)]
    newest = open_stream(browser)
    assert "hx-partial" in newest.read_event()["data"]
    events = []
    while not events or "event" not in events[-1]:
        events.append(opened[0].read_event())
    assert events[-1]["event"] == "full"
    assert opened[0].is_over()
    assert "hx-partial" in opened[1].read_event()["data"]
    polled = browser.get(f"/numbers/campaign?ids={campaign_id}")
    assert polled.status_code == 200
    assert f'hx-target="#campaign-{campaign_id}"' in polled.text
    assert "The numbers are updated every 10 seconds." in polled.text


def test_a_stream_beyond_the_limit_of_the_process_is_told_to_poll(console, campaign_id, monkeypatch):
    monkeypatch.setattr(live, "MAX_STREAMS", 0)
    answer = console.sign_in().get(f"/live/campaign?ids={campaign_id}")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")


def test_a_process_has_a_limit_of_streams(database, monkeypatch):
    monkeypatch.setattr(live, "MAX_STREAMS", 2)
    hub = Hub(database)
    with hub.watch([1], "a"), hub.watch([1], "b"):
        with pytest.raises(TooManyStreamsError), hub.watch([1], "c"):
            pass
        assert hub.stream_count == 2
    wait_for(lambda: hub._thread is None)


@pytest.mark.parametrize("query", ["", "ids=", "ids=x", "ids=-1", "ids=9223372036854775808", f"ids={TOO_MANY}"])
def test_a_wrong_address_of_a_stream_is_refused(console, query):
    browser = console.sign_in()
    assert browser.get(f"/live/row?{query}").status_code == 400
    assert browser.get("/live/nonsense?ids=1").status_code == 404


def test_the_rate_is_that_of_the_last_seconds(database, campaign_id):
    (row,) = database.run(list_campaigns, [campaign_id])
    rates = Rates()
    found = []
    for second, done in enumerate((0, 10, 20, 30, 40, 50, 50, 50, 50, 50, 50, 50)):
        at = row.server_now + dt.timedelta(seconds=second)
        found.append(rates.add(replace(row, server_now=at, counts={"sent": done, "pending": 50 - done})))
    assert found[0] is None
    assert found[5] == 10.0
    assert found[-1] == 0.0


def test_a_broken_read_does_not_end_the_hub(database, campaign_id, monkeypatch):
    hub = Hub(database, every_seconds=0.02)
    failing = threading.Event()
    failing.set()
    real = live.list_campaigns

    def read(connection, ids):
        if failing.is_set():
            raise KeyError("a fault")
        return real(connection, ids)

    monkeypatch.setattr(live, "list_campaigns", read)
    with hub.watch([campaign_id], "a") as watch:
        assert hub.wait(watch, [campaign_id], 0, seconds=10).is_away
        failing.clear()
        wait_for(lambda: not hub.wait(watch, [campaign_id], 0, seconds=10).is_away)
    wait_for(lambda: hub._thread is None)


def test_the_numbers_go_on_after_a_fault_in_a_rate(hub, campaign_id, monkeypatch):
    def fail(_rates, _row):
        raise ArithmeticError

    with hub.watch([campaign_id], "a session") as watch:
        with monkeypatch.context() as patch:
            patch.setattr(Rates, "add", fail)
            faulty = hub.wait(watch, [campaign_id], 0, seconds=30)
            assert faulty is not None
            assert faulty.is_away
        wait_for(lambda: not hub.wait(watch, [campaign_id], faulty.number, seconds=30).is_away)
