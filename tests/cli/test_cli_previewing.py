from __future__ import annotations

import datetime as dt
import re

import pytest

from tests.cli.conftest import ANA, BIA, quiet_hours
from tests.store.rows import deactivate_category, fetch


def test_the_first_messages_are_shown_as_people_read_them(create, house):
    campaign_id = create()
    shown = house.json("campaign", "preview", campaign_id)
    assert [(each["phone"], each["body"]) for each in shown["messages"]] == [(ANA, "Oi Ana!"), (BIA, "Oi Bia!")]
    output = house.ok("campaign", "preview", campaign_id, "--rows", "1")
    assert "Oi Ana!" in output
    assert ANA in output
    assert "Oi Bia!" not in output


def test_who_gets_one_and_who_does_not_is_counted(create, house):
    campaign_id = create()
    house.ok("suppress", "add", BIA)
    shown = house.json("campaign", "preview", campaign_id)
    counts = {key: shown[key] for key in ("send_count", "suppressed_count", "duplicate_count", "rejected_count")}
    assert counts == {"send_count": 1, "suppressed_count": 1, "duplicate_count": 1, "rejected_count": 1}


def test_a_cap_per_person_is_named_and_not_counted(create, house):
    campaign_id = create("Sale", "--max-per-person", "2", "--within", "7")
    assert "who then had 2 or more in 7 days; not counted here" in house.ok("campaign", "preview", campaign_id)
    assert "not counted here" not in house.ok("campaign", "preview", create("Other"))


def test_people_whom_the_cap_will_skip_are_not_counted_as_people_who_get_it(create, house, database):
    """Neither in the preview nor in the question before the start."""
    create("Earlier")
    got = "UPDATE messages SET status = 'sent', account_id = 1, send_no = 1, claimed_at = now(), sent_at = now()"
    fetch(database, f"{got}, wamid = 'wamid.' || id WHERE id = (SELECT min(id) FROM messages) RETURNING 1")
    fetch(database, "UPDATE campaigns SET status = 'running', started_at = now() RETURNING 1")
    campaign_id = create("Sale", "--max-per-person", "1", "--within", "7")
    assert "1 recipient who had 1 or more in 7 days" in house.ok("campaign", "preview", campaign_id)
    shown = house.json("campaign", "preview", campaign_id)
    assert (shown["send_count"], shown["capped_count"]) == (1, 1)
    output = house("campaign", "start", campaign_id, stdin="y\n", REVOADA_QUIET_HOURS=quiet_hours(in_hours=12)).stdout
    assert "1 message to send" in output
    assert "1 more person is skipped as things stand" in output
    assert "got campaign" not in output


@pytest.fixture
def crowd(house, tmp_path):
    """A file of so many people."""

    def write(number):
        file = tmp_path / "crowd.csv"
        file.write_text("phone,name\n" + "".join(f"+55119{10_000_000 + each},X\n" for each in range(number)))
        return str(file)

    return write


def seconds(shown):
    starts_at, ends_at = (dt.datetime.fromisoformat(shown[key]) for key in ("starts_at", "ends_at"))
    return (ends_at - starts_at).total_seconds()


def make(house, file, *options):
    words = ("campaign", "create", "Sale", "--template", "promo:pt_BR", "--account", "sales", "--recipients", file)
    return house.ok(*words, *options).splitlines()[-1]


def test_it_takes_as_long_as_the_rates_of_active_accounts_allow(house, crowd):
    campaign_id = make(house, crowd(801))
    assert seconds(house.json("campaign", "preview", campaign_id)) == pytest.approx(10)
    house.ok("campaign", "set", campaign_id, "--account", "sales", "--account", "support")
    assert seconds(house.json("campaign", "preview", campaign_id)) == pytest.approx(5)
    house.ok("account", "deactivate", "support")
    assert seconds(house.json("campaign", "preview", campaign_id)) == pytest.approx(10)
    house.ok("account", "deactivate", "sales")
    assert house.json("campaign", "preview", campaign_id)["ends_at"] is None
    assert "no account may send it" in house.ok("campaign", "preview", campaign_id)


def test_an_account_that_does_not_send_the_category_of_the_template_does_not_count(house, crowd, database):
    campaign_id = make(house, crowd(801))
    house.ok("campaign", "set", campaign_id, "--account", "sales", "--account", "support")
    database.run(deactivate_category, 2)
    assert seconds(house.json("campaign", "preview", campaign_id)) == pytest.approx(10)
    database.run(deactivate_category, 1)
    assert house.json("campaign", "preview", campaign_id)["ends_at"] is None


def test_interval_window_and_schedule_count(house, crowd):
    """Ten hours of messages in a window of nine: the tenth is tomorrow's."""
    options = ("--interval", "3600", "--window", "09:00-18:00", "--schedule-at", "2999-01-01T09:00")
    shown = house.json("campaign", "preview", make(house, crowd(11), *options))
    assert shown["starts_at"] == "2999-01-01T12:00:00+00:00"
    assert shown["ends_at"] == "2999-01-02T13:00:00+00:00"


def test_a_daily_limit_makes_days_of_it(house, crowd):
    house.ok("portfolio", "add", "company", "--daily-limit", "250")
    house.ok("account", "set", "sales", "--portfolio", "company")
    shown = house.json("campaign", "preview", make(house, crowd(801)))
    assert seconds(shown) == 3 * 86_400
    assert shown["limited_by"] == ["company"]
    assert ", because of the daily limit of company" in house.ok("campaign", "preview", "1")


def test_a_daily_limit_that_changes_nothing_is_not_named(house, crowd):
    house.ok("portfolio", "add", "company", "--daily-limit", "250")
    house.ok("account", "set", "sales", "--portfolio", "company")
    options = ("--interval", "86400")
    shown = house.json("campaign", "preview", make(house, crowd(3), *options))
    assert shown["limited_by"] == []
    assert "daily limit" not in house.ok("campaign", "preview", "1")


@pytest.mark.parametrize("status", ["completed", "cancelled"])
def test_a_campaign_that_has_ended_says_so(create, house, database, status):
    create()
    fetch(
        database,
        "UPDATE campaigns SET status = %s, started_at = now(),"
        " completed_at = CASE WHEN %s = 'completed' THEN now() END",
        status,
        status,
    )
    output = house.ok("campaign", "preview", "1")
    assert status in output
    for word in ("may leave", "first message", "ends", "when it is started"):
        assert word not in output
    shown = house.json("campaign", "preview", "1")
    assert (shown["status"], shown["first_message_at"], shown["ends_at"]) == (status, None, None)


def test_a_campaign_that_has_started_says_when(create, house, database):
    create()
    fetch(database, "UPDATE campaigns SET status = 'running', started_at = now()")
    output = house.ok("campaign", "preview", "1")
    assert "started  " in output
    assert "when it is started" not in output


def test_a_campaign_that_does_not_exist_has_no_preview(house):
    assert house.refusal("campaign", "preview", "9").startswith("Campaign 9 does not exist: ")


def test_the_pace_and_the_hours_are_shown_as_they_were_given(create, house):
    pace = ("--interval", "2", "--pause-after", "200", "--pause-for", "600", "--expire-at", "2999-12-09 09:00")
    hours = ("--window", "09:00-18:00", "--weekdays", "mon-fri", "--schedule-at", "2999-12-02 09:00")
    shown = house.ok("campaign", "preview", create("Sale", *pace, *hours))
    facts = dict(re.split(" {2,}", line.strip(), maxsplit=1) for line in shown.splitlines() if "  " in line.strip())
    assert facts["interval"] == "2 s"
    assert facts["pause"] == "600 s after 200 messages"
    assert facts["window"] == "09:00-18:00"
    assert facts["weekdays"] == "mon-fri"
    assert facts["starts"] == "2999-12-02 09:00:00 -03"
    assert facts["expires"] == "2999-12-09 09:00:00 -03"
