import pytest

LIMITED = ("--expire-at", "2999-12-01T09:00", "--recipient-timezone", "--holidays", "BR-SP")


def test_a_portfolio_is_added_changed_and_shown(house):
    assert house.ok("portfolio", "add", "acme", "--daily-limit", "2000") == "Portfolio 1 (acme) is added.\n"
    assert house.refusal("portfolio", "add", "acme", "--daily-limit", "5") == "There is a portfolio acme already."
    house.ok("account", "set", "sales", "--portfolio", "acme")
    house.ok("portfolio", "set", "acme", "--name", "group", "--daily-limit", "250")
    (row,) = house.json("portfolio", "list")
    assert (row["name"], row["daily_limit"], row["people_count"], row["next_slot_at"]) == ("group", 250, 0, None)
    assert house.json("portfolio", "show", "1")["accounts"] == [{"id": 1, "name": "sales", "messaging_limit": ""}]
    assert house.json("account", "show", "sales")["portfolio"] == "group"
    house.ok("account", "set", "sales", "--no-portfolio")
    assert house.json("account", "show", "sales")["portfolio"] is None


def test_what_meta_says_of_the_limit_is_shown_as_a_suggestion(house, database):
    house.ok("portfolio", "add", "acme", "--daily-limit", "250")
    house.ok("account", "set", "sales", "--portfolio", "acme")
    database.run(
        lambda connection: connection.execute("""UPDATE accounts SET health = '{"messaging_limit": "TIER_2K"}'""")
    )
    output = house.ok("portfolio", "show", "acme")
    assert "TIER_2K (sales): --daily-limit 2000" in output
    assert "250 unique people" in output


def test_a_new_account_may_join_a_portfolio_that_exists(house):
    add = ("account", "add", "new", "--phone-number-id", "9", "--waba-id", "2", "--token-env", "WHATSAPP_TOKEN")
    assert house.refusal(*add, "--portfolio", "acme").startswith("There is no portfolio acme")
    house.ok("portfolio", "add", "acme", "--daily-limit", "250")
    house.ok(*add, "--portfolio", "acme")
    assert [each["portfolio"] for each in house.json("account", "list")] == [None, None, "acme"]


def test_a_raised_limit_rings(house, create, database):
    house.ok("portfolio", "add", "acme", "--daily-limit", "250")
    house.ok("account", "set", "sales", "--portfolio", "acme")
    house.ok("campaign", "start", create())
    waits = "UPDATE campaigns SET status = 'running', started_at = now(), waiting_reason = 'daily_limit'"
    database.run(lambda connection: connection.execute(waits))
    house.enqueued.clear()
    output = house.ok("portfolio", "set", "acme", "--daily-limit", "300")
    assert (house.enqueued, output) == ([1], "Portfolio 1 (acme) is changed; 1 waiting campaign goes on.\n")


def test_a_campaign_takes_its_end_and_the_clocks_of_people(create, house):
    campaign_id = create("Sale", *LIMITED, "--schedule-at", "2999-11-27T09:00", "--start-within", "2h")
    row = house.json("campaign", "show", campaign_id)
    assert (row["expire_at"], row["start_within_seconds"]) == ("2999-12-01T12:00:00+00:00", 7200.0)
    assert (row["uses_recipient_zones"], row["holidays"]) == (True, "BR-SP")
    output = house.ok("campaign", "show", campaign_id)
    assert "2999-12-01 09:00:00" in output
    assert "each person" in output
    house.ok("campaign", "set", campaign_id, "--no-expire", "--no-recipient-timezone", "--no-holidays", "--no-schedule")
    row = house.json("campaign", "show", campaign_id)
    assert (row["expire_at"], row["start_within_seconds"], row["uses_recipient_zones"], row["holidays"]) == (
        None, None, False, None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--start-within", "2h"), "--start-within counts from --schedule-at"),
        (("--schedule-at", "2999-11-27T09:00", "--expire-at", "2999-11-27T09:00"), "must be later than --schedule-at"),
    ],
)
def test_times_that_contradict_each_other_are_refused(create, house, options, reason):
    create()
    assert reason in house.refusal("campaign", "set", "1", *options)


def test_a_draft_that_has_expired_or_whose_time_has_passed_is_not_started(create, house, database):
    expired = create("Old", "--expire-at", "2999-01-01 09:00")
    late = create("Late", "--schedule-at", "2999-01-01 09:00", "--start-within", "1h")
    database.run(
        lambda connection: connection.execute("""UPDATE campaigns SET
            scheduled_at = scheduled_at - interval '980 y', expire_at = expire_at - interval '980 y'""")
    )
    assert "has expired" in house.refusal("campaign", "start", expired, "--yes")
    line = house.refusal("campaign", "start", late, "--yes")
    assert "was scheduled for 2019-01-01" in line
    assert f"To start it now: `revoada campaign set {late} --no-schedule`." in line
    house.ok("campaign", "set", late, "--no-schedule")
    house.ok("campaign", "start", late)


PLACELESS = "phone,nome\n+15002345678,Ana\n+5511987654321,Bia\n"


def test_people_whom_the_window_never_reaches_are_told_of_by_what_makes_it_so(house, create, people, tmp_path):
    people.write_text(PLACELESS)
    clocks = ("--recipient-timezone", "--window", "09:00-18:00")
    result = house("campaign", "create", "Sale", "--template", "promo:pt_BR", "--account", "sales",
                   "--recipients", str(people), *clocks)  # fmt: skip
    assert result.stderr.startswith("Warning: 1 message would never be sent. The area code of such a phone fits")
    assert "revoada campaign set 1" in result.stderr
    assert house("campaign", "set", "1", "--window", "08:00-20:00").stderr == ""
    assert "1 message would never be sent" in house("campaign", "set", "1", "--window", "09:00-18:00").stderr
    assert house("campaign", "set", "1", "--no-recipient-timezone").stderr == ""
    house.ok("campaign", "set", "1", "--recipient-timezone")
    more = tmp_path / "more.csv"
    more.write_text("phone,nome\n+15882345678,Caio\n")
    assert "2 messages would never be sent" in house("campaign", "import", "1", str(more), "--map", "1=nome").stderr
