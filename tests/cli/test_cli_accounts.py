from __future__ import annotations

import re

import click
import pytest
from click.testing import CliRunner
from psycopg.types.json import Jsonb

from campaigns.cli import accounts
from campaigns.secrets import TokenError, decrypt_token, encrypt_token, make_key
from campaigns.store.accounts import StreakOutcomes, count_reported, list_accounts
from tests.store.rows import deactivate_category, fetch

TOKEN = "EAAG-secret-token"


def add(revoada, *options, name="sales", **more):
    given = ["--phone-number-id", "1065", "--waba-id", "22", *(options or ("--token-env", "WHATSAPP_TOKEN"))]
    return revoada("account", "add", name, *given, **more)


def stored_token(database):
    return database.run(lambda connection: connection.execute("SELECT token FROM accounts ORDER BY id").fetchone()[0])


def test_an_added_account_has_the_defaults_and_is_active(house):
    row = house.json("account", "list")[0]
    assert (row["name"], row["active"], row["messages_per_second"], row["failure_limit"]) == ("sales", True, 80, 5)
    assert house.json("account", "show", "sales")["events"][0]["kind"] == "created"


def test_limits_can_be_given(revoada):
    add(revoada, "--token-env", "WHATSAPP_TOKEN", "--messages-per-second", "250", "--failure-limit", "3")
    row = revoada.json("account", "show", "sales")
    assert (row["messages_per_second"], row["failure_limit"]) == (250, 3)


@pytest.mark.parametrize(
    ("options", "stdin"),
    [
        (("--token-env", "WHATSAPP_TOKEN"), None),
        (("--token-stdin",), TOKEN + "\n"),
        (("--token-stdin",), f'"Bearer {TOKEN}"\r\n'),
        (("--token-env", "WITH_BEARER"), None),
    ],
)
def test_the_token_is_stored_encrypted_and_never_shown(revoada, database, options, stdin):
    shown = [add(revoada, *options, "--no-check", stdin=stdin, WITH_BEARER=f"Bearer {TOKEN} ").output]
    shown += [revoada.ok("account", *command) for command in (("list",), ("list", "--json"), ("show", "sales"))]
    shown.append(revoada.ok("account", "show", "sales", "--json"))
    blob = stored_token(database)
    assert TOKEN.encode() not in blob
    assert decrypt_token(revoada.environment["REVOADA_SECRET_KEY"], blob) == TOKEN
    assert not any(TOKEN in output or "token" in output for output in shown)


def test_a_token_of_another_key_says_so_without_itself():
    with pytest.raises(TokenError, match="REVOADA_SECRET_KEY does not have the key") as refused:
        decrypt_token(make_key(), encrypt_token(make_key(), TOKEN))
    assert TOKEN not in str(refused.value)


@pytest.mark.parametrize(
    ("options", "reason", "exit_code"),
    [
        (("--token-env", "NOT_THERE_EAAG"), "The environment variable named by --token-env is not set.", 1),
        (("--token-stdin",), "The access token is empty or has characters that no token has.", 1),
        (("--failure-limit", "3"), "Give the access token with --token-env VAR or --token-stdin.", 2),
        (("--token-stdin", "--token-env", "X"), "Give --token-env or --token-stdin, not both.", 2),
        (("--token-env", "WHATSAPP_TOKEN", "--failure-limit", "0"), "Invalid value for '--failure-limit'", 2),
    ],
)
def test_an_account_without_a_usable_token_or_limit_is_refused(revoada, options, reason, exit_code):
    result = add(revoada, *options)
    assert result.exit_code == exit_code
    assert result.stderr.startswith(f"Error: {reason}")
    assert "EAAG" not in result.stderr


def test_a_token_with_a_space_in_its_middle_is_refused(revoada):
    result = add(revoada, "--token-stdin", "--no-check", stdin="EAAG-sec\nret-token\n")
    assert result.stderr == (
        "Error: The access token has a space or a line break in its middle. Copy it again, as one word.\n"
    )


def test_without_the_key_no_token_is_taken(revoada):
    assert "REVOADA_SECRET_KEY is not set" in add(revoada, REVOADA_SECRET_KEY=None).stderr


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("sales", "--phone-number-id", "1067"), "There is an account sales already."),
        (("new", "--phone-number-id", "1065"), "Another account has the phone number id 1065 already."),
        (("new", "--phone-number-id", "+55"), "The phone_number_id '+55' is not a number of up to 32 digits."),
        (("a\nb", "--phone-number-id", "1067"), "The name of an account is one line of text."),
    ],
)
def test_an_account_that_cannot_be_added_says_why(house, arguments, reason):
    more = ("--waba-id", "22", "--token-env", "WHATSAPP_TOKEN")
    assert house.refusal("account", "add", *arguments, *more) == reason


def test_set_changes_what_is_given_and_nothing_else(house, database):
    token = stored_token(database)
    house.ok("account", "set", "sales", "--messages-per-second", "250", "--name", "shop")
    row = database.run(list_accounts)[0]
    assert (row.name, row.messages_per_second, row.failure_limit, row.phone_number_id) == ("shop", 250, 5, "1065")
    assert stored_token(database) == token


def test_set_takes_a_new_token(house, database):
    house.ok("account", "set", "1", "--token-stdin", stdin="EAAG-new\n")
    assert decrypt_token(house.environment["REVOADA_SECRET_KEY"], stored_token(database)) == "EAAG-new"


def test_set_without_an_option_is_refused(house):
    assert house.refusal("account", "set", "sales", exit_code=2).startswith("Nothing to change")


@pytest.mark.parametrize("command", ["show", "activate", "deactivate", "check"])
def test_an_unknown_account_is_refused(revoada, command):
    line = revoada.refusal("account", command, "nobody")
    assert line == "There is no account nobody; `revoada account list` shows all."


def test_deactivate_and_activate_go_back_and_forth(house):
    assert house.ok("account", "deactivate", "sales") == "Account 1 (sales) is inactive now.\n"
    assert house.json("account", "show", "sales")["inactive_reason"] == "deactivated by a person"
    assert "was inactive already: deactivated by a person" in house.ok("account", "deactivate", "sales")
    assert house.ok("account", "activate", "sales") == "Account 1 (sales) is active.\n"
    events = house.json("account", "show", "sales")["events"]
    assert [event["kind"] for event in events] == ["activated", "deactivated", "created"]


def test_activate_rings_who_waited_for_the_account(house, create, database):
    campaign_id = int(create())
    database.run(
        lambda connection: connection.execute(
            "UPDATE campaigns SET status = 'running', started_at = now(), waiting_reason = 'no_active_account'"
        )
    )
    assert "1 waiting campaign goes on" in house.ok("account", "activate", "sales")
    assert house.enqueued == [campaign_id]


def test_the_list_has_the_failures_in_a_row_with_their_limit(house, database):
    """Failures at the send and reports by webhooks count apart, so the larger number is shown."""
    fetch(database, "UPDATE accounts SET consecutive_failures = 1, consecutive_reported = 3 WHERE id = 1")
    shown = house.ok("account", "list")
    assert "3 of 5" in shown
    assert "+" not in shown


def test_show_tells_the_failures_in_a_row(house, database):
    failure = '[{"code": 190, "title": "Access token expired", "details": "on Friday"}]'
    database.run(
        lambda connection: connection.execute(
            "UPDATE accounts SET failures = %s, consecutive_failures = 1 WHERE id = 1", (failure,)
        )
    )
    output = house.ok("account", "show", "sales")
    assert "1 of 5" in output
    assert "190 Access token expired: on Friday" in output


def test_a_category_that_an_account_does_not_send_is_shown_until_the_account_is_activated(house, database):
    database.run(deactivate_category, 1)
    assert "no MARKETING templates since 20" in house.ok("account", "list")
    shown = house.ok("account", "show", "sales")
    assert "5 consecutive send failures: 131063 Marketing is off" in shown
    repair = (
        "Allow marketing over the Cloud API: WhatsApp Manager, Account settings. Then `revoada account activate sales`."
    )
    assert repair in shown
    assert f"sales: {repair}" in house.ok("account", "list")
    row = house.json("account", "show", "sales")
    assert row["active"]
    (category,) = row["categories"]
    assert (category["category"], category["inactive_code"], category["failures"]) == ("MARKETING", 131063, [])
    assert house.json("account", "list")[0]["categories"] == row["categories"]
    assert house.json("account", "list")[1]["categories"] == []

    house.ok("account", "activate", "sales")
    row = house.json("account", "show", "sales")
    assert row["categories"] == []
    assert row["events"][0]["details"]["categories"] == {
        "MARKETING": "5 consecutive send failures: 131063 Marketing is off"
    }
    assert "MARKETING: 5 consecutive send failures: 131063" in house.ok("account", "show", "sales")


def test_failures_of_a_category_in_a_row_are_shown_before_the_limit_too(house, database):
    failure = {"code": 131063, "title": "Marketing is off", "details": "", "fbtrace_id": "", "message_id": 1}
    database.run(count_reported, [StreakOutcomes(1, "MARKETING", None, (failure,))])
    shown = house.ok("account", "show", "sales")
    assert re.search(r"MARKETING reported in a row +1 of 5", shown)
    assert "131063 Marketing is off" in shown
    assert "what to do" not in shown


def test_check_says_when_meta_does_not_answer(house):
    line = house.refusal("account", "check", "sales", GRAPH_API_URL="http://127.0.0.1:1/v24.0")
    assert line.startswith("The health of account 1 (sales) could not be read: ")


def test_an_empty_list_says_how_to_begin(revoada):
    assert "revoada account add -h" in revoada.ok("account", "list")
    assert revoada.json("account", "list") == []


def test_a_name_in_brackets_is_shown_as_it_is(revoada):
    add(revoada, name="[bold]x[/]")
    assert "[bold]x[/]" in revoada.ok("account", "list")


# Meta is asked before a token is stored


@pytest.fixture
def meta(revoada, far):
    """The simulator in place of Meta; it knows one token."""
    far.script(tokens=[TOKEN])
    revoada.environment |= {"GRAPH_API_URL": f"{far.url}/v24.0", "REVOADA_HEALTH_TIMEOUT_SECONDS": "30"}
    return far


def count_accounts(database):
    return len(database.run(list_accounts))


def test_a_token_that_meta_takes_is_stored_without_a_warning(revoada, meta):
    result = add(revoada)
    assert (result.exit_code, result.stderr) == (0, "")


def test_a_token_that_meta_refuses_is_not_stored_and_metas_own_text_is_shown(revoada, meta, database):
    result = add(revoada, "--token-stdin", stdin="EAAG-expired-token")
    assert result.exit_code == 1
    assert "Meta refuses phone number 1065 with this token: Invalid OAuth access token - Cannot parse access token" in (
        result.stderr
    )
    assert "(code 190: access token expired, revoked or unreadable). Nothing was changed." in result.stderr
    assert "--no-check" in result.stderr
    assert "EAAG" not in result.output
    assert count_accounts(database) == 0


@pytest.mark.parametrize(("code", "said"), [(100, "Invalid parameter"), (200, "API Permission"), (33, "has been del")])
def test_a_number_that_the_token_may_not_use_is_refused(revoada, meta, database, code, said):
    meta.script(accounts={"1065": {"health": f"error:{code}"}})
    result = add(revoada)
    assert result.exit_code == 1
    assert said in result.stderr
    assert f"(code {code}: " in result.stderr
    assert count_accounts(database) == 0


@pytest.mark.parametrize("script", ["html", "lost", "error:2", "error:80007", "garbage"])
def test_while_meta_cannot_be_asked_the_account_is_stored_with_a_warning(revoada, meta, database, script):
    meta.script(accounts={"1065": {"health": script}})
    result = add(revoada)
    assert result.exit_code == 0
    assert result.stderr.startswith("Warning: Meta could not be asked whether the token may use the number: ")
    assert result.stderr.endswith("`revoada account check sales` asks again.\n")
    assert count_accounts(database) == 1


def test_a_script_may_store_an_account_without_asking(revoada, meta, database):
    result = add(revoada, "--token-env", "WHATSAPP_TOKEN", "--no-check", WHATSAPP_TOKEN="EAAG-expired")
    assert (result.exit_code, result.stderr) == (0, "")
    assert meta.stats()["health_requests"] == 0
    assert count_accounts(database) == 1


def test_what_is_wrong_on_our_side_is_said_before_meta_is_asked(house, meta):
    more = ("--waba-id", "22", "--token-env", "WHATSAPP_TOKEN")
    assert "already" in house.refusal("account", "add", "sales", "--phone-number-id", "9", *more)
    assert "already" in house.refusal("account", "set", "sales", "--phone-number-id", "1066")
    assert "no portfolio none" in house.refusal(
        "account", "add", "new", "--phone-number-id", "9", "--portfolio", "none", *more
    )
    assert meta.stats()["health_requests"] == 0


def test_a_new_token_that_meta_refuses_changes_nothing(house, meta, database):
    before = stored_token(database)
    line = house.refusal("account", "set", "sales", "--messages-per-second", "7", "--token-stdin", stdin="EAAG-expired")
    assert "Cannot parse access token" in line
    assert stored_token(database) == before
    assert database.run(list_accounts)[0].messages_per_second == 80
    house.ok("account", "set", "sales", "--token-stdin", "--no-check", stdin="EAAG-expired")
    assert stored_token(database) != before


def test_another_number_is_tried_with_the_stored_token(house, meta, database):
    meta.script(accounts={"77": {"health": "error:100"}})
    assert "Meta refuses phone number 77" in house.refusal("account", "set", "sales", "--phone-number-id", "77")
    house.ok("account", "set", "sales", "--phone-number-id", "78")
    assert database.run(list_accounts)[0].phone_number_id == "78"


def test_what_meta_is_not_needed_for_does_not_ask_it(house, meta):
    house.ok("account", "set", "sales", "--messages-per-second", "7")
    assert meta.stats()["health_requests"] == 0


@pytest.mark.parametrize(
    ("code", "said", "advice"),
    [(190, "Session has expired", "`revoada account set sales --token-stdin`"), (131031, "", "WhatsApp Manager")],
)
def test_a_refused_health_check_has_metas_own_text_and_the_next_step(house, meta, code, said, advice):
    meta.script(accounts={"1065": {"health": f"error:{code}"}})
    line = house.refusal("account", "check", "sales")
    assert f"(code {code}): " in line
    assert said in line
    assert advice in line


def test_an_inactive_account_says_what_to_do_in_the_order_of_the_steps(house, database):
    for source, number in (("failures", 1), ("reported", 2)):
        failure = {"code": 190, "title": "Error validating access token", "details": "", "message_id": 1}
        fetch(
            database,
            f"UPDATE accounts SET active = false, inactive_reason = '5 failures', {source} = %s WHERE id = %s",
            Jsonb([failure] * 5),
            number,
        )
    advice = (
        "Make a new token (Business settings, System users), then `revoada account set sales --token-stdin`. "
        "Then `revoada account activate sales`."
    )
    assert advice in house.ok("account", "show", "sales")
    assert f"sales: {advice}" in house.ok("account", "list")
    assert "support: Make a new token" in house.ok("account", "list")
    house.ok("account", "activate", "sales")
    house.ok("account", "deactivate", "sales")
    assert "what to do" not in house.ok("account", "show", "sales")


@pytest.mark.parametrize(
    "refused", [("--name", "support"), ("--messages-per-second", "7", "--phone-number-id", "1066", "--no-check")]
)
def test_a_refused_change_of_an_account_leaves_also_its_portfolio(house, refused):
    house.ok("portfolio", "add", "acme", "--daily-limit", "1000")
    before = house.json("account", "show", "sales")
    assert "already" in house.refusal("account", "set", "sales", "--portfolio", "acme", *refused)
    assert house.json("account", "show", "sales") == before
    missing = house.refusal("account", "set", "sales", "--failure-limit", "9", "--portfolio", "none")
    assert "no portfolio none" in missing
    assert house.json("account", "show", "sales") == before


def test_a_check_shows_the_checked_account_although_another_has_its_id_as_a_name(house, meta, database):
    fetch(database, "UPDATE accounts SET name = '1' WHERE name = 'support'")
    meta.script(tokens=[], accounts={"1065": {"health": "YELLOW"}})
    answer = house.json("account", "check", "sales")
    assert (answer["id"], answer["answered"], answer["health"]["quality"]) == (1, True, "YELLOW")


def test_an_empty_token_is_asked_for_again_with_the_reason():
    @click.command()
    def ask():
        click.echo(accounts._ask_token())

    result = CliRunner().invoke(ask, input="\n \nEAAG-new\n")
    assert result.stderr.count("There is no token yet. Paste it, although the terminal does not show it") == 2
    assert result.stdout.endswith("EAAG-new\n")


def test_a_table_in_a_narrow_terminal_loses_no_letter(revoada):
    name = "relacionamento" * 4
    add(revoada, name=name)
    shown = revoada.ok("account", "list", COLUMNS="80")
    assert name not in shown
    assert "…" not in shown
    assert "".join(re.findall(r"^[ 1]+([a-z]+)", shown.rpartition("─")[2], re.MULTILINE)) == name


def test_a_table_with_long_words_has_narrower_gaps_before_it_breaks_a_word(revoada, database):
    add(revoada, name="Relacionamento")
    fetch(database, "UPDATE accounts SET phone_number_id = '551100000000002'")
    shown = revoada.ok("account", "list", COLUMNS="80")
    assert "551100000000002" in shown
    assert "Relacionamento" in shown
    assert max(map(len, shown.splitlines())) <= 80
