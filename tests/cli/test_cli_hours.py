"""When the first message may leave: night, quiet hours, and hours that never open."""

from __future__ import annotations

import datetime as dt
import json
import re
from zoneinfo import ZoneInfo

import pytest

from campaigns.cli.campaign import hours, retry
from campaigns.domain.campaign import Departure
from tests.cli.conftest import quiet_hours
from tests.store.rows import fetch

SAO_PAULO, ACRE = "America/Sao_Paulo", "America/Rio_Branco"  # two hours apart


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setattr(hours, "has_terminal", lambda: True)


@pytest.fixture
def night():
    """Quiet hours in which São Paulo is now, but Acre is not."""
    return {"REVOADA_QUIET_HOURS": quiet_hours(in_hours=0.5)}


@pytest.fixture
def day():
    """Quiet hours in which neither São Paulo nor Acre is now."""
    return {"REVOADA_QUIET_HOURS": quiet_hours(in_hours=12)}


@pytest.fixture
def three(people):
    """A list with two people in São Paulo and one in Acre."""
    people.write_text("phone,name\n+5511999990001,Ana\n+5511999990002,Bia\n+5568999990003,Caio\n")


# Night


@pytest.mark.usefixtures("three", "terminal")
@pytest.mark.parametrize("command", ["start", "resume"])
def test_a_person_is_asked_before_messages_leave_at_night(create, house, night, command):
    campaign_id = create("Sale")
    before = "draft"
    if command == "resume":
        house.ok("campaign", "start", campaign_id, "--yes")
        house.ok("campaign", "pause", campaign_id)
        before = "paused"
    result = house("campaign", command, campaign_id, stdin="n\n", **night)
    clock = dt.datetime.now(ZoneInfo(SAO_PAULO))
    assert "It is night for 2 of the 3 people of campaign 1 (Sale): " in result.stdout
    assert any(f"{at:%H:%M} in {SAO_PAULO}" in result.stdout for at in (clock, clock - dt.timedelta(minutes=1)))
    assert f"{command.title()} campaign 1 (Sale): 3 messages? [y/N]" in result.stdout
    assert (result.exit_code, house.json("campaign", "show", campaign_id)["status"]) == (1, before)
    house.ok("campaign", command, campaign_id, stdin="y\n", **night)
    assert house.json("campaign", "show", campaign_id)["status"] == "pending"


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize(
    ("phones", "clock"),
    [
        (["+447911123456", "+447911123457", "+351912345678", "+5511999990001"], "--recipient-timezone"),
        (["+447911123456", "+447911123457"], "--timezone Europe/London"),
    ],
    ids=["mixed", "one zone"],
)
def test_the_way_out_of_a_night_in_another_zone_works(phones, clock, create, house, people):
    rows = "".join(f"{phone},Ana\n" for phone in phones)
    people.write_text(f"phone,name\n{rows}")
    night = {"REVOADA_QUIET_HOURS": quiet_hours(in_hours=0.5, time_zone="Europe/London")}
    asked = house("campaign", "start", create("Sale"), stdin="n\n", **night).stdout
    assert "It is night for " in asked and "in Europe/London" in asked
    (command,) = re.findall(r"`revoada (campaign set 1 --window \S+ .+?)`", asked)
    assert command.endswith(clock)
    house.ok(*command.split(), **night)
    again = house("campaign", "start", "1", stdin="n\n", **night).stdout
    assert "Start campaign 1 (Sale)" in again and "night" not in again


@pytest.mark.usefixtures("terminal")
def test_one_person_is_named_as_one(create, house, people, night):
    people.write_text("phone,name\n+5511999990001,Ana\n")
    result = house("campaign", "start", create("Sale"), stdin="n\n", **night)
    assert "It is night for the only person of campaign 1 (Sale): " in result.stdout


@pytest.mark.usefixtures("three", "terminal")
def test_a_person_is_not_told_of_a_night_day_or_asked_after_a_yes(create, house, day, night):
    assert "It is night" not in house.ok("campaign", "start", create(), stdin="y\n", **day)
    house.ok("campaign", "start", create(), "--yes", **night)
    assert {row["status"] for row in house.json("campaign", "list")} == {"pending"}


def test_a_script_is_warned_of_the_night_and_starts(create, house, three, day, night):
    result = house("campaign", "start", create("Sale"), **night)
    assert result.exit_code == 0
    assert result.stderr.startswith("Warning: It is night for 2 of the 3 people of campaign 1 (Sale): ")
    assert "Warning: It is night for 2 of the 3 people" in house("campaign", "start", create(), "--yes", **night).stderr
    house.ok("campaign", "cancel", "1", "2")  # else people would get several campaigns
    assert house("campaign", "start", create("Sale", "--window", "00:00-24:00"), **day).stderr == ""


def test_a_night_that_lies_at_the_time_of_the_schedule_is_told(create, house, three, day):
    """The clocks of Acre show 06:30 when it is 08:30 in São Paulo."""
    campaign_id = create("Sale", "--schedule-at", "tomorrow 08:30")
    result = house("campaign", "start", campaign_id, REVOADA_QUIET_HOURS="20:00-08:00")
    assert (
        "It will be night for 1 of the 3 people of campaign 1 (Sale) when their messages may leave: 06:30"
        f" in {ACRE}." in result.stderr
    )


def test_a_new_campaign_whose_schedule_lies_at_night_is_warned_of(house, people, three):
    options = ("--template", "promo:pt_BR", "--account", "sales", "--recipients", str(people))

    def create(time, *more):
        return house("campaign", "create", "Sale", *options, "--schedule-at", time, *more).stderr

    assert "Warning: It will be night for 1 of the 3 people of campaign 1 (Sale) when" in create("tomorrow 08:30")
    assert "Warning: It will be night for 3 of the 3 people" in create("tomorrow 03:00", "--json")
    assert "night" not in create("tomorrow 12:00")


def test_a_schedule_outside_the_hours_is_said_when_it_is_made(house, people, three):
    options = ("--template", "promo:pt_BR", "--account", "sales", "--recipients", str(people))
    hours = ("--window", "08:00-20:00", "--no-recipient-timezone")
    told = " (America/Sao_Paulo)"
    tomorrow = dt.datetime.now(ZoneInfo(SAO_PAULO)).date() + dt.timedelta(days=1)
    said = (
        f"The schedule of campaign 1, {tomorrow} 21:00:00 -03, is outside the hours in which it sends, so its first"
        " message waits until they open."
    )
    output = house.ok("campaign", "create", "Sale", *options, *hours, "--schedule-at", "tomorrow 21:00")
    assert said in output
    assert f" at 08:00{told}" in output
    assert "outside the hours" not in house.ok("campaign", "set", "1", "--schedule-at", "tomorrow 12:00")
    assert said in house.ok("campaign", "set", "1", "--schedule-at", "tomorrow 21:00")
    assert said in house.ok("campaign", "start", "1")


def test_a_window_on_each_persons_clock_keeps_out_of_the_night(create, house, three):
    campaign_id = create("Sale", "--schedule-at", "tomorrow 03:00", "--window", "08:00-20:00", "--recipient-timezone")
    assert house("campaign", "start", campaign_id, REVOADA_QUIET_HOURS="20:00-08:00").stderr == ""


@pytest.fixture
def awake(create, database):
    """A running campaign whose hours are closed now in all zones; they open at noon of some day far from this night."""
    opens = dt.datetime.now(ZoneInfo(SAO_PAULO)) + dt.timedelta(hours=12)
    campaign_id = create("Sale", "--window", f"{opens:%H:%M}-{opens + dt.timedelta(minutes=5):%H:%M}")
    fetch(database, "UPDATE campaigns SET status = 'running', started_at = now()")
    return campaign_id


CHANGES = [("--no-window",), ("--window", "00:00-24:00"), ("--window", "00:00-23:59", "--timezone", "America/Manaus")]


@pytest.mark.usefixtures("three", "terminal")
@pytest.mark.parametrize("change", CHANGES)
def test_a_person_is_asked_before_a_change_lets_messages_leave_at_night(house, awake, night, change):
    before = house.json("campaign", "show", awake)
    result = house("campaign", "set", awake, *change, stdin="n\n", **night)
    assert "It is night for 2 of the 3 people of campaign 1 (Sale): " in result.stdout
    assert "Change campaign 1 (Sale) so that it sends at night? [y/N]" in result.stdout
    assert result.exit_code == 1
    after = house.json("campaign", "show", awake)
    assert [after[key] for key in ("window_from", "time_zone")] == [before[key] for key in ("window_from", "time_zone")]
    house.ok("campaign", "set", awake, *change, stdin="y\n", **night)
    assert house.json("campaign", "show", awake)["window_from"] != before["window_from"]


@pytest.mark.usefixtures("three")
def test_a_script_is_warned_before_a_change_lets_messages_leave_at_night(house, awake, night):
    result = house("campaign", "set", awake, "--no-window", **night)
    assert result.exit_code == 0
    assert result.stderr.startswith("Warning: It is night for 2 of the 3 people of campaign 1 (Sale): ")
    again = house("campaign", "set", awake, "--window", "00:00-24:00", **night)
    assert again.stderr == "", "the campaign sends at night already"


@pytest.mark.usefixtures("three", "terminal")
def test_a_person_is_not_asked_about_a_change_day_or_after_a_yes_or_without_effect(house, awake, day, night):
    house.ok("campaign", "set", awake, "--interval", "1", **night)
    house.ok("campaign", "set", awake, "--expire-at", "in 40 days", **night)
    house.ok("campaign", "set", awake, "--no-window", "--yes", **night)
    house.ok("campaign", "set", awake, "--weekdays", "mon-sun", **night)
    house.ok("campaign", "set", awake, "--no-window", **day)


@pytest.mark.usefixtures("three", "terminal")
def test_a_person_is_asked_when_a_scheduled_campaign_moves_into_the_night(create, house):
    create("Sale", "--schedule-at", "tomorrow 12:00")
    quiet = {"REVOADA_QUIET_HOURS": "20:00-08:00"}
    house.ok("campaign", "start", "1", "--yes", **quiet)
    result = house("campaign", "set", "1", "--schedule-at", "tomorrow 03:00", stdin="n\n", **quiet)
    assert "It will be night for 3 of the 3 people" in result.stdout
    assert result.exit_code == 1
    scheduled_at = dt.datetime.fromisoformat(house.json("campaign", "show", "1")["scheduled_at"])
    assert scheduled_at.astimezone(ZoneInfo(SAO_PAULO)).hour == 12


@pytest.mark.usefixtures("three", "terminal")
def test_a_draft_or_a_paused_campaign_is_asked_about_when_it_sends(create, house, night):
    create("Sale", "--window", "00:00-24:00")
    assert house("campaign", "set", "1", "--no-window", **night).exit_code == 0
    house.ok("campaign", "start", "1", "--yes")
    house.ok("campaign", "pause", "1")
    assert house("campaign", "set", "1", "--window", "00:00-24:00", **night).exit_code == 0


# A retry at night


@pytest.fixture
def failed(create, house, database):
    """A completed campaign whose messages failed: two for people in São Paulo, and one in Acre."""
    campaign_id = create("Sale")
    house.ok("campaign", "start", campaign_id, "--yes")
    fetch(
        database,
        "UPDATE messages SET status = 'failed', error_code = 131000, error_title = 'x', failed_at = now(),"
        " claimed_at = now(), account_id = 1, send_no = 1",
    )
    fetch(database, "UPDATE campaigns SET status = 'completed', started_at = now(), completed_at = now()")
    return campaign_id


RETRY = ("campaign", "retry", "1", "--class", "all-retryable")


@pytest.mark.usefixtures("three", "terminal", "failed")
def test_a_person_is_asked_before_a_retry_at_night(house, night, day):
    assert house(*RETRY, "--dry-run", **night).exit_code == 0
    result = house(*RETRY, stdin="n\n", **night)
    assert "It is night for 2 of the 3 people to whom campaign 1 (Sale) would send again: " in result.stdout
    assert "Send these messages of campaign 1 (Sale) again? [y/N]" in result.stdout
    assert (result.exit_code, house.json("campaign", "show", "1")["status"]) == (1, "completed")
    assert "3 messages will be sent again" in house.ok(*RETRY, stdin="y\n", **night)


@pytest.mark.usefixtures("three", "terminal", "failed")
@pytest.mark.parametrize("how", ["day", "--yes"])
def test_a_person_is_not_asked_about_a_retry_day_or_after_a_yes(house, night, day, how):
    more, hours_ = (("--yes",), night) if how == "--yes" else ((), day)
    assert "3 messages will be sent again" in house.ok(*RETRY, *more, **hours_)


@pytest.mark.usefixtures("three", "failed")
def test_a_script_is_warned_of_a_retry_at_night(house, night):
    result = house(*RETRY, **night)
    assert result.exit_code == 0
    assert result.stderr.startswith("Warning: It is night for 2 of the 3 people to whom campaign 1 (Sale) would send")


@pytest.mark.usefixtures("three", "terminal", "failed")
def test_a_retry_that_must_wait_is_judged_at_its_own_time(house, database, day, night):
    """Meta's code 131049 may be tried again after a day; the quiet hours are two hours of the clock."""
    fetch(database, "UPDATE messages SET error_code = 131049, failed_at = now() - interval '12 hours'")
    assert house(*RETRY, stdin="n\n", **day).exit_code == 1, "in 12 hours it is night"
    assert "It will be night for " in house(*RETRY, stdin="n\n", **day).stdout
    assert house(*RETRY, **night).exit_code == 0


@pytest.mark.usefixtures("three", "terminal", "failed")
def test_a_retry_of_a_paused_campaign_is_asked_about_when_it_is_resumed(house, database, night):
    fetch(database, "UPDATE campaigns SET status = 'paused', completed_at = NULL")
    assert house(*RETRY, **night).exit_code == 0


@pytest.mark.usefixtures("three", "terminal", "failed")
def test_a_retry_of_uncertain_messages_names_the_night(house, database, night, monkeypatch):
    monkeypatch.setattr(retry, "has_terminal", lambda: True)
    fetch(
        database,
        "UPDATE messages SET status = 'uncertain', error_code = NULL, failed_at = NULL, claimed_at = now()",
    )
    words = ("campaign", "retry-uncertain", "1")
    assert "It is night for 2 of the 3 people to whom campaign" in house(*words, stdin="n\n", **night).stdout
    assert "night" not in house(*words, "--yes", **night).output


def test_without_quiet_hours_the_night_is_from_eight_to_eight(create, house, three):
    for clock, counts in (("19:59", 0), ("20:00", 2), ("21:59", 2), ("22:00", 3), ("07:59", 3), ("08:00", 1)):
        campaign_id = create("Sale", "--schedule-at", f"tomorrow {clock}")
        told = house("campaign", "start", campaign_id).stderr
        assert (f"{counts} of the 3 people" in told) == bool(counts), clock


# Quiet hours


@pytest.fixture
def quiet(house):
    """Runs the command with quiet hours."""
    house.environment["REVOADA_QUIET_HOURS"] = "20:00-08:00"
    return house


def window(house, campaign_id="1"):
    row = house.json("campaign", "show", campaign_id)
    return row["window_from"], row["window_to"], row["uses_recipient_zones"]


@pytest.mark.parametrize(
    ("category", "expected"),
    [
        ("MARKETING", ("08:00:00", "20:00:00", True)),
        ("", ("08:00:00", "20:00:00", True)),
        ("UTILITY", (None, None, False)),
        ("AUTHENTICATION", (None, None, False)),
    ],
)
def test_a_marketing_campaign_sends_outside_the_quiet_hours(create, quiet, database, category, expected):
    fetch(database, "UPDATE templates SET category = %s", category)
    create()
    assert window(quiet) == expected


def test_a_campaign_says_that_it_waits_for_the_end_of_quiet_hours(house, people, night):
    begins, ends = night["REVOADA_QUIET_HOURS"].split("-")
    words = ("campaign", "create", "Sale", "--template", "promo:pt_BR", "--account", "sales", "--recipients")
    output = house.ok(*words, str(people), **night)
    assert (
        f"sends only from {ends} to {begins} on the clock of each person, because of the quiet hours in"
        " the settings (REVOADA_QUIET_HOURS)." in output
    )
    assert "`revoada campaign set 1 --window 09:00-18:00`" in output
    assert "REVOADA_QUIET_HOURS" not in house.ok(*words, str(people), "--window", "00:00-24:00", **night)
    own_clock = house.ok(*words, str(people), "--no-recipient-timezone", **night)
    assert f"{ends} to {begins} on its own clock" in own_clock


def test_quiet_hours_for_which_nobody_waits_are_not_told(house, people, day):
    words = ("campaign", "create", "Sale", "--template", "promo:pt_BR", "--account", "sales", "--recipients")
    output = house.ok(*words, str(people), **day)
    assert "may leave now" in output
    assert "REVOADA_QUIET_HOURS" not in output
    assert house.json("campaign", "show", "1")["window_from"] is not None
    for at, is_told in (("2999-12-02 12:00", False), ("2999-12-02 03:00", True)):
        told = house.ok(*words, str(people), "--schedule-at", at, REVOADA_QUIET_HOURS="20:00-08:00")
        assert ("REVOADA_QUIET_HOURS" in told) is is_told


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--window", "07:00-23:00"), ("07:00:00", "23:00:00", False)),
        (("--no-window",), (None, None, False)),
        (("--no-recipient-timezone",), ("08:00:00", "20:00:00", False)),
        (("--recipient-timezone",), ("08:00:00", "20:00:00", True)),
    ],
)
def test_a_person_may_give_a_campaign_other_hours(create, quiet, options, expected):
    create("Sale", *options)
    assert window(quiet) == expected


def test_a_campaign_whose_window_was_removed_shows_none(create, quiet):
    create()
    assert "the window is in each person's zone" in quiet.ok("campaign", "show", "1")
    quiet.ok("campaign", "set", "1", "--no-window")
    assert "window" not in quiet.ok("campaign", "show", "1")
    quiet.ok("campaign", "set", "1", "--weekdays", "mon-fri")
    assert "in each person's zone" in quiet.ok("campaign", "show", "1")


def test_a_later_change_of_the_setting_changes_no_campaign(create, quiet):
    create()
    quiet.environment["REVOADA_QUIET_HOURS"] = "12:00-13:00"
    quiet.ok("campaign", "set", "1", "--interval", "5", "--account", "support")
    assert window(quiet) == ("08:00:00", "20:00:00", True)
    quiet.ok("campaign", "set", "1", "--no-window")
    quiet.ok("campaign", "set", "1", "--account", "sales")
    assert window(quiet)[:2] == (None, None)


def test_a_campaign_made_without_quiet_hours_gets_none_later(create, house):
    create()
    house.environment["REVOADA_QUIET_HOURS"] = "20:00-08:00"
    house.ok("campaign", "set", "1", "--account", "support", "--interval", "1")
    assert window(house) == (None, None, False)


def test_a_campaign_that_becomes_marketing_by_a_change_gets_quiet_hours(create, quiet, database):
    fetch(database, "UPDATE templates SET category = 'UTILITY'")
    create()
    fetch(
        database,
        "INSERT INTO templates (name, language, components, category) SELECT 'sale', language, components, 'MARKETING'"
        " FROM templates",
    )
    quiet.ok("campaign", "set", "1", "--template", "sale:pt_BR")
    assert window(quiet) == ("08:00:00", "20:00:00", True)


@pytest.fixture
def recategorised(create, quiet, database):
    """A draft whose template became marketing after the draft was made."""
    fetch(database, "UPDATE templates SET category = 'UTILITY'")
    create("Sale")
    fetch(database, "UPDATE templates SET category = 'MARKETING'")


@pytest.mark.usefixtures("recategorised")
def test_a_category_that_meta_changes_changes_no_hours(quiet):
    quiet.ok("campaign", "set", "1", "--interval", "5")
    assert window(quiet) == (None, None, False)


WITHOUT_HOURS = "Campaign 1 (Sale) is marketing and sends at all hours, also from 20:00 to 08:00"


@pytest.mark.usefixtures("recategorised")
def test_the_start_of_a_marketing_campaign_without_hours_says_so(quiet):
    result = quiet("campaign", "start", "1")
    assert result.exit_code == 0
    assert f"Warning: {WITHOUT_HOURS}" in result.stderr
    assert "`revoada campaign set 1 --window 08:00-20:00`" in result.stderr
    assert window(quiet) == (None, None, False)


@pytest.mark.usefixtures("recategorised", "terminal")
def test_a_person_is_told_of_it_before_the_start(quiet):
    assert WITHOUT_HOURS in quiet("campaign", "start", "1", stdin="n\n").stdout


@pytest.mark.parametrize("status", ["draft", "running", "paused"])
@pytest.mark.usefixtures("recategorised")
def test_the_doctor_names_a_marketing_campaign_without_hours(quiet, database, status):
    fetch(database, "UPDATE campaigns SET status = %s, started_at = now()", status)

    def found():
        return {each["kind"]: each for each in json.loads(quiet("doctor", "1", "--json").stdout)}

    finding = found()["no_quiet_hours"]
    assert finding["severity"] == "warning"
    assert "sends marketing at all hours, also from 20:00 to 08:00" in finding["text"]
    quiet.ok("campaign", "set", "1", "--window", "00:00-24:00", "--yes")
    assert "no_quiet_hours" not in found(), "a person wants all hours"
    quiet.ok("campaign", "set", "1", "--no-window", "--yes")
    fetch(database, "UPDATE templates SET category = 'UTILITY'")
    assert "no_quiet_hours" not in found()
    fetch(database, "UPDATE templates SET category = 'MARKETING'")
    quiet.environment["REVOADA_QUIET_HOURS"] = None
    assert "no_quiet_hours" not in found()


@pytest.mark.parametrize("value", ["20-8", "20:00", "00:00-24:00", "08:00-08:00", "off"])
def test_quiet_hours_that_cannot_be_read_are_refused_by_name(house, value):
    house.environment["REVOADA_QUIET_HOURS"] = value
    line = house.refusal("campaign", "list")
    assert line.startswith("REVOADA_QUIET_HOURS is wrong: must be hours such as 20:00-08:00")


# The first message


@pytest.mark.parametrize(
    ("options", "when"),
    [
        ((), "now"),
        (("--schedule-at", "tomorrow 09:15"), f"tomorrow, {{date:%A, %Y-%m-%d}}, at 09:15 ({SAO_PAULO})"),
        (
            ("--schedule-at", "tomorrow 09:15", "--timezone", "Asia/Tokyo"),
            "tomorrow, {date:%A, %Y-%m-%d}, at 09:15 (Asia/Tokyo)",
        ),
        (("--schedule-at", "2999-12-01 09:15"), f"Sunday, 2999-12-01, at 09:15 ({SAO_PAULO})"),
        (
            ("--schedule-at", "2999-12-01 19:00", "--window", "08:00-18:00"),
            f"Monday, 2999-12-02, at 08:00 ({SAO_PAULO})",
        ),
        (("--schedule-at", "2090-12-25 09:00", "--holidays", "BR"), f"Tuesday, 2090-12-26, at 00:00 ({SAO_PAULO})"),
    ],
)
def test_create_and_start_tell_when_the_first_message_may_leave(house, people, options, when):
    words = ("campaign", "create", "Sale", "--template", "promo:pt_BR", "--account", "sales", "--recipients")
    output = house.ok(*words, str(people), *options)
    zone = ZoneInfo("Asia/Tokyo" if "Asia/Tokyo" in options else SAO_PAULO)
    when = when.format(date=(dt.datetime.now(zone) + dt.timedelta(days=1)).date())
    assert f"If you start the campaign now, the first message may leave {when}.\n" in output
    assert f"The first message may leave {when}.\n" in house.ok("campaign", "start", "1", "--yes")


def test_the_first_message_may_leave_when_it_is_day_for_the_first_person(create, house, people):
    """It is 08:00 in Acre when it is 10:00 in São Paulo."""
    people.write_text("phone,name\n+5568999990003,Caio\n")
    create("Sale", "--schedule-at", "2999-12-02 06:00", "--window", "08:00-20:00", "--recipient-timezone")
    assert f"Monday, 2999-12-02, at 10:00 ({SAO_PAULO})" in house.ok("campaign", "start", "1", "--yes")


def test_a_preview_tells_when_the_first_message_may_leave(create, house):
    campaign_id = create("Sale", "--schedule-at", "2999-12-01 19:00", "--window", "08:00-18:00")
    assert f"Monday, 2999-12-02, at 08:00 ({SAO_PAULO})" in house.ok("campaign", "preview", campaign_id)
    shown = house.json("campaign", "preview", campaign_id)
    assert (shown["starts_at"], shown["first_message_at"]) == ("2999-12-01T22:00:00+00:00", "2999-12-02T11:00:00+00:00")


def test_a_time_later_today_is_called_today():
    now = dt.datetime(2030, 1, 1, 23, tzinfo=dt.UTC)
    at = now + dt.timedelta(hours=3)
    (text,) = hours.describe_departure(Departure(at, now, SAO_PAULO, {at: 1}), "draft")
    assert text.endswith(f"may leave today, Tuesday, 2030-01-01, at 23:00 ({SAO_PAULO}).")
    (text,) = hours.describe_departure(Departure(at, now, "UTC", {at: 1}), "pending")
    assert text == "The first message may leave tomorrow, Wednesday, 2030-01-02, at 02:00 (UTC)."


def test_each_time_that_is_given_in_words_is_told_whole(create, house):
    zone = ZoneInfo(SAO_PAULO)
    day = dt.datetime.now(zone).date() + dt.timedelta(days=1)
    words = {each: f"{day + dt.timedelta(days=each - 1):%A, %Y-%m-%d}" for each in (1, 2)}
    create()
    told = house.ok(
        *("campaign", "set", "1", "--schedule-at", "amanhã às 9", "--expire-at", "depois de amanhã 18h"),
        *("--window", "10:00-12:00"),
    )
    assert f"may leave tomorrow, {words[1]}, at 10:00 ({SAO_PAULO})." in told
    assert f"Its schedule is tomorrow, {words[1]}, at 09:00 ({SAO_PAULO}).\n" in told
    assert f"Messages that have not left then expire {words[2]}, at 18:00 ({SAO_PAULO}).\n" in told


def test_the_weekday_of_a_time_is_told_in_portuguese(create, house):
    create()
    told = house.ok("campaign", "set", "1", "--schedule-at", "02/12/2999 9h", REVOADA_LANGUAGE="pt_BR")
    assert f"segunda-feira, 02/12/2999, às 09:00 ({SAO_PAULO})" in told


def test_a_change_of_the_hours_tells_the_first_message_anew(create, house):
    create()
    output = house.ok("campaign", "set", "1", "--schedule-at", "2999-12-01 09:15")
    assert f"the first message may leave Sunday, 2999-12-01, at 09:15 ({SAO_PAULO})." in output
    assert "message" not in house.ok("campaign", "set", "1", "--name", "Other")


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        ("running", "The next message may leave now."),
        ("paused", "If you resume the campaign now, the next message may leave now."),
    ],
)
def test_of_a_started_campaign_the_next_message_is_told(create, house, database, status, sentence):
    create()
    fetch(database, "UPDATE campaigns SET status = %s::campaign_status, started_at = now()", status)
    output = house.ok("campaign", "set", "1", "--window", "00:00-24:00")
    assert output.splitlines()[1:] == [sentence]


def test_the_commands_that_create_prints_work(create, house, people):
    create("Lost", "--window", "09:00-18:00")
    house.ok("campaign", "cancel", "1")
    output = house.ok(
        *("campaign", "create", "Sale", "--template", "promo:pt_BR", "--account", "sales", "--recipients", str(people))
    )
    lines = output.splitlines()
    commands = [line.split() for line in lines[lines.index("Next:") + 1 : -1]]
    assert [words[:3] for words in commands] == [["revoada", "campaign", each] for each in ("preview", "test", "start")]
    assert {words[3] for words in commands} == {lines[-1]}
    for words in commands:
        if "PHONE" not in words:
            house.ok(*words[1:])


@pytest.mark.parametrize(
    ("language", "reads"), [("pt_BR.UTF-8", True), ("pt", True), ("en_US.UTF-8", False), ("C", False), (None, False)]
)
def test_a_date_in_numbers_is_read_in_the_persons_language(create, house, language, reads):
    house.environment |= {"LC_ALL": None, "LC_MESSAGES": None, "REVOADA_LANGUAGE": None, "LANG": language}
    create()
    result = house("campaign", "set", "1", "--schedule-at", "01/12/2999 09:00")
    assert ("2999-12-01" in result.stdout or "01/12/2999" in result.stdout) == reads
    assert ("may be 2999-01-12 or 2999-12-01" in result.stderr) != reads


# Changes without effect


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--schedule-at", "yesterday 09:00"), "--schedule-at is"),
        (("--schedule-at", "2020-01-01 09:00"), "Give a later time, such as '20"),
        (("--expire-at", "yesterday 09:00"), "no message could be sent"),
        (("--schedule-at", "tomorrow 19:00", "--window", "09:00-18:00", "--expire-at", "tomorrow 22:00"), "open at"),
        (("--recipient-timezone",), "--recipient-timezone has no effect without hours"),
    ],
)
def test_times_that_can_have_no_effect_are_refused(create, house, people, options, reason):
    base = ("--template", "promo:pt_BR", "--account", "sales", "--recipients", str(people))
    assert reason in house.refusal("campaign", "create", "Sale", *base, *options)
    assert house.json("campaign", "list") == []
    campaign_id = create("Sale")
    before = house.json("campaign", "show", campaign_id)
    assert reason in house.refusal("campaign", "set", campaign_id, *options)
    assert house.json("campaign", "show", campaign_id) == before


def test_hours_that_open_for_nobody_are_refused(house, people):
    """A personal number may be in any zone between Bermuda and Guam."""
    people.write_text("phone,name\n+15002345678,Ana\n")
    base = ("--template", "promo:pt_BR", "--account", "sales", "--recipients", str(people))
    line = house.refusal("campaign", "create", "Sale", *base, "--window", "09:00-18:00", "--recipient-timezone")
    assert "leave no time for any recipient in the next 60 days" in line


def test_a_draft_that_would_expire_before_its_hours_open_is_not_started(create, house, database):
    campaign_id = create("Sale", "--schedule-at", "2999-12-01 19:00", "--window", "09:00-18:00")
    fetch(database, "UPDATE campaigns SET expire_at = scheduled_at + interval '1 h'")
    assert "its hours open at 2999-12-02 09:00:00" in house.refusal("campaign", "start", campaign_id)
    assert house.json("campaign", "show", campaign_id)["status"] == "draft"


def test_an_expiry_that_ends_a_running_campaign_is_warned_of(create, house, database):
    """A window that would end it is refused, because nobody asks for that."""
    zone = ZoneInfo(SAO_PAULO)
    now = dt.datetime.now(zone)
    later = now + dt.timedelta(hours=4)
    window = f"{later:%H:%M}-{later + dt.timedelta(hours=1):%H:%M}"
    create("Sale")
    fetch(database, "UPDATE campaigns SET status = 'running', started_at = now()")
    house.ok("campaign", "set", "1", "--window", window)
    result = house("campaign", "set", "1", "--expire-at", "in 2 hours")
    assert result.exit_code == 0
    assert "Warning: Campaign 1 will send no more messages: it expires at" in result.stderr
    house.ok("campaign", "set", "1", "--no-window")
    assert "could send no message" in house.refusal("campaign", "set", "1", "--window", window)


def test_a_schedule_for_a_running_campaign_is_refused_with_what_works(create, house, database):
    create("Sale")
    fetch(database, "UPDATE campaigns SET status = 'running', started_at = now()")
    line = house.refusal("campaign", "set", "1", "--schedule-at", "tomorrow 09:00")
    assert "has started already, so --schedule-at has no effect" in line
    assert "`revoada campaign pause 1`" in line
    assert "`revoada campaign set 1 --window 09:00-18:00`" in line


# A start within a time


LATE = ("--schedule-at", "2999-12-01 19:00", "--start-within", "2h", "--window", "08:00-18:00")


def test_hours_that_open_later_than_the_start_may_be_are_refused(create, house, people):
    base = ("campaign", "create", "Sale", "--template", "promo:pt_BR", "--account", "sales", "--recipients")
    line = house.refusal(*base, str(people), *LATE)
    assert "its hours open at 2999-12-02 08:00:00 -03, which is 13 h after its schedule" in line
    assert "--start-within allows 2 h" in line
    assert house.json("campaign", "list") == []
    campaign_id = create("Sale", *LATE[:3], "14h", *LATE[4:])
    for change in (("--start-within", "2h"), ("--window", "09:30-10:00")):
        assert "could send no message in time" in house.refusal("campaign", "set", campaign_id, *change)


@pytest.mark.parametrize("command", ["start", "resume"])
def test_a_campaign_whose_hours_open_too_late_does_not_start(create, house, database, command):
    create("Sale", *LATE[:3], "14h", *LATE[4:])
    if command == "resume":
        house.ok("campaign", "start", "1", "--yes")
        house.ok("campaign", "pause", "1")
    before = house.json("campaign", "show", "1")["status"]
    fetch(database, "UPDATE campaigns SET start_within_seconds = 7200")
    assert "could send no message in time" in house.refusal("campaign", command, "1", "--yes")
    assert house.json("campaign", "show", "1")["status"] == before


def test_the_first_person_whose_hours_open_counts(create, house, people):
    """It is 08:00 in Acre when it is 10:00 in São Paulo."""
    people.write_text("phone,name\n+5511999990001,Ana\n+5568999990003,Caio\n")
    options = ("--schedule-at", "2999-12-02 08:00", "--window", "08:00-20:00", "--recipient-timezone")
    create("Sale", *options, "--start-within", "30m")
    people.write_text("phone,name\n+5568999990003,Caio\n")
    base = ("campaign", "create", "Sale", "--template", "promo:pt_BR", "--account", "sales", "--recipients")
    assert "2 h after its schedule" in house.refusal(*base, str(people), *options, "--start-within", "30m")


def test_a_campaign_that_has_started_may_get_any_hours(create, house, database):
    create("Sale", "--schedule-at", "2999-12-01 10:00", "--start-within", "2h")
    fetch(database, "UPDATE campaigns SET status = 'running', started_at = now(), scheduled_at = now()")
    now = dt.datetime.now(ZoneInfo(SAO_PAULO)) + dt.timedelta(hours=12)
    house.ok("campaign", "set", "1", "--window", f"{now:%H:%M}-{now + dt.timedelta(minutes=5):%H:%M}")
