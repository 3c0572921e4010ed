"""What a person is told of uncertain messages, and asked before any goes again; and after a restore."""

from __future__ import annotations

import csv
import io

import pytest

from campaigns.cli import doctor
from campaigns.cli.campaign import retry
from tests.store.rows import add_account, add_campaign, add_message, add_messages, fetch, read_statuses

LEFT = "the runner ended before the reply was settled"


@pytest.fixture
def sale(database):
    """A completed campaign: one delivered, three uncertain for two reasons."""

    def make(connection, status="completed"):
        campaign_id = add_campaign(connection, status, accounts=[add_account(connection)])
        add_message(connection, campaign_id, "delivered")
        at = {"claimed_at": "2026-10-01T12:00Z"}
        add_messages(connection, campaign_id, 2, "uncertain", error_title=LEFT, **at)
        add_message(connection, campaign_id, "uncertain", error_code=131000, error_title="Went wrong", **at)
        return campaign_id

    return lambda status="completed": str(database.run(make, status))


@pytest.fixture
def at_terminal(monkeypatch):
    for module in (retry, doctor):
        monkeypatch.setattr(module, "has_terminal", lambda: True)


def test_show_says_how_many_why_and_what_to_do(revoada, sale):
    campaign_id = sale()
    output = revoada.ok("campaign", "show", campaign_id)
    assert f"3 messages of campaign {campaign_id} are uncertain: nobody knows whether Meta has them." in output
    assert f"revoada campaign retry-uncertain {campaign_id}" in output
    reasons = {line.strip() for line in output.splitlines() if "uncertain" in line}
    assert any(LEFT in line and " 2 " in line for line in reasons)
    assert any("131000 Went wrong" in line and " 1 " in line for line in reasons)


def test_show_says_nothing_of_doubts_where_there_are_none(revoada, database):
    campaign_id = database.run(add_campaign)
    database.run(add_message, campaign_id, "sent")
    assert "uncertain" not in revoada.ok("campaign", "show", str(campaign_id))


def test_list_and_watch_count_them(revoada, sale):
    campaign_id = sale()
    assert "3 uncertain" in revoada.ok("campaign", "list")
    output = revoada.ok("campaign", "watch", campaign_id)
    assert "1 sent, 0 failed, 3 uncertain" in output
    assert f"3 messages of campaign {campaign_id} are uncertain" in output


def test_an_export_has_each_with_its_reason(revoada, sale):
    output = revoada.ok("campaign", "export", sale(), "--status", "uncertain")
    rows = list(csv.DictReader(io.StringIO(output.removeprefix("\ufeff"))))
    assert [(row["status"], row["error_code"], row["error_title"]) for row in rows] == [
        ("uncertain", "", LEFT),
        ("uncertain", "", LEFT),
        ("uncertain", "131000", "Went wrong"),
    ]


def test_without_a_terminal_nothing_goes_again_unless_that_is_said(revoada, sale, database):
    campaign_id = sale()
    line = revoada.refusal("campaign", "retry-uncertain", campaign_id)
    assert "up to 3 people might get this message twice" in line
    assert "--yes" in line
    assert set(read_statuses(database, int(campaign_id))) == {"delivered", "uncertain"}
    output = revoada.ok("campaign", "retry-uncertain", campaign_id, "--yes")
    assert output == (
        f"Campaign {campaign_id} (Sale): 3 uncertain messages will be sent again, and up to 3 people might get it"
        " twice. It is running.\n"
    )
    assert revoada.enqueued == [int(campaign_id)]
    assert sorted(read_statuses(database, int(campaign_id))) == ["delivered", *["pending"] * 3]


@pytest.mark.usefixtures("at_terminal")
@pytest.mark.parametrize(("answer", "goes"), [("n\n", False), ("\n", False), ("y\n", True)])
def test_a_terminal_is_asked_and_told_how_many_might_get_it_twice(revoada, sale, database, answer, goes):
    campaign_id = sale()
    result = revoada("campaign", "retry-uncertain", campaign_id, stdin=answer)
    assert "up to 3 people might get this message twice" in result.output
    assert "may have left at 2026-10-01 12:00:00 UTC" in result.output
    assert "Send 3 uncertain messages again?" in result.output
    assert ("pending" in read_statuses(database, int(campaign_id))) is goes
    assert bool(revoada.enqueued) is goes
    assert (result.exit_code == 0) is goes


def test_a_dry_run_changes_nothing(revoada, sale, database):
    campaign_id = sale()
    answer = revoada.json("campaign", "retry-uncertain", campaign_id, "--dry-run")
    assert (answer["count"], answer["status"], answer["newest_at"]) == (3, None, "2026-10-01T12:00:00+00:00")
    assert [(each["title"], each["count"]) for each in answer["reasons"]] == [(LEFT, 2), ("Went wrong", 1)]
    assert "pending" not in read_statuses(database, int(campaign_id))
    assert revoada.enqueued == []


def test_who_stays_out_is_told(revoada, sale, database):
    campaign_id = sale()
    fetch(
        database,
        "INSERT INTO suppressions (recipient_key, source, at) SELECT recipient_key, 'word', now() FROM messages"
        " WHERE status = 'uncertain' ORDER BY id LIMIT 1",
    )
    output = revoada.ok("campaign", "retry-uncertain", campaign_id, "--yes")
    assert "2 uncertain messages will be sent again, and up to 2 people" in output
    assert "1 message of people who want no messages stays uncertain." in output


def test_nothing_uncertain_is_said_and_nobody_is_asked(revoada, database):
    campaign_id = database.run(add_campaign, "completed")
    output = revoada.ok("campaign", "retry-uncertain", str(campaign_id))
    assert output == f"Campaign {campaign_id} (Sale): no uncertain message that could be sent again.\n"


def test_a_cancelled_campaign_is_refused(revoada, sale):
    campaign_id = sale("cancelled")
    line = revoada.refusal("campaign", "retry-uncertain", campaign_id, "--yes")
    assert line.startswith(f"Campaign {campaign_id} (Sale) is cancelled: it cannot be retried. To send to its people,")


# After a restore


@pytest.fixture
def restored(database):
    """A running campaign with two pending messages, and a draft with one."""

    def make(connection):
        running, draft = add_campaign(connection), add_campaign(connection, "draft", name="Natal")
        add_messages(connection, running, 2)
        add_message(connection, draft)
        add_message(connection, running, "failed")
        return running, draft

    return database.run(make)


SINCE = "2026-10-01T03:00"


def test_recover_says_what_it_will_do_and_what_it_cannot(revoada, restored, database):
    running, draft = restored
    output = revoada.ok("recover", "--since", SINCE, "--dry-run", REVOADA_TIMEZONE="America/Sao_Paulo")
    rows = [line.split(maxsplit=4) for line in output.splitlines() if "all uncertain, and paused" in line]
    assert [row[:4] for row in rows] == [[str(running), "Sale", "running", "2"], [str(draft), "Natal", "draft", "1"]]
    assert "2026-10-01 03:00:00 -03" in output
    assert "1 failed message stays failed" in output
    assert "opt-outs" in output
    assert read_statuses(database, running) == ["pending", "pending", "failed"]


def test_recover_without_a_terminal_needs_a_yes(revoada, restored, database):
    running, draft = restored
    result = revoada("recover", "--since", SINCE)
    assert (result.exit_code, "Say --yes" in result.stderr) == (1, True)
    assert read_statuses(database, running) == ["pending", "pending", "failed"]
    output = revoada.ok("recover", "--since", SINCE, "--yes", "--except", str(draft))
    assert "Done: 2 messages uncertain." in output
    assert read_statuses(database, running) == ["uncertain", "uncertain", "failed"]
    assert read_statuses(database, draft) == ["pending"]


@pytest.mark.usefixtures("at_terminal")
def test_recover_asks_at_a_terminal(revoada, restored, database):
    result = revoada("recover", "--since", SINCE, stdin="n\n")
    assert "Make 3 messages uncertain, and pause their campaigns?" in result.output
    assert result.exit_code == 1
    assert read_statuses(database, restored[0]) == ["pending", "pending", "failed"]


def test_recover_is_refused_through_a_pooler_which_hides_processes(revoada, restored):
    result = revoada("recover", "--since", SINCE, "--yes", REVOADA_DATABASE_POOLER="transaction")
    assert result.exit_code == 1
    assert "A pooler hides which processes are connected to Postgres. Stop the roles and the pooler" in result.stderr


def test_recover_twice_says_so(revoada, restored):
    revoada.ok("recover", "--since", SINCE, "--yes")
    assert "This was done before: nothing was changed." in revoada.ok("recover", "--since", SINCE)


def test_recover_for_a_script(revoada, restored):
    answer = revoada.json("recover", "--since", SINCE, "--yes")
    assert (answer["count"], answer["failed_count"]) == (3, 1)
    assert [(each["id"], each["fate"]) for each in answer["campaigns"]] == [(id_, "doubt") for id_ in restored]


@pytest.mark.parametrize(
    ("since", "why"), [("yesterday", "'yesterday' has no time of day"), ("2999-01-01T00:00", "cannot be in the future")]
)
def test_recover_refuses_a_time_that_is_none_or_to_come(revoada, since, why):
    assert why in revoada.refusal("recover", "--since", since, "--yes")
