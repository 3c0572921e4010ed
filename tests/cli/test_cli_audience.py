"""`campaign create --from` makes a draft with people of an earlier campaign."""

from __future__ import annotations

import pytest
from psycopg.types.json import Jsonb

from campaigns.domain.failures import LEFT_AUDIENCE
from tests.store.rows import add_account, add_campaign, add_message, add_messages, add_template, fetch

CREATE = ("campaign", "create", "June", "--template", "promo:pt_BR", "--account", "sales")


@pytest.fixture
def sent(database):
    """A completed campaign: three got it, one of them has replied, and two failed."""

    def work(connection):
        account = add_account(connection, name="sales")
        body = [{"type": "BODY", "text": "Oi {{1}}", "example": {"body_text": [["Ana"]]}}]
        template = add_template(connection, name="promo", language="pt_BR", components=Jsonb(body), status="approved")
        campaign = add_campaign(
            connection, "completed", accounts=[account], template_id=template, name="May", columns=["1"]
        )
        add_messages(connection, campaign, 2, "delivered", variables=["Ana"])
        add_message(connection, campaign, "read", variables=["Bia"], replied_at="2026-10-02T12:00Z")
        add_messages(connection, campaign, 2, "failed", variables=["Caio"])
        return campaign

    return str(database.run(work))


def test_a_draft_is_made_from_an_earlier_campaign(revoada, sent, database):
    output = revoada.ok(*CREATE, "--from", sent, "--who", "delivered, no reply")
    draft = output.splitlines()[-1]
    assert f"People: 2 of campaign {sent} (May)" in output
    assert "First message: Oi Ana" in output
    assert fetch(database, "SELECT recipient_count FROM campaigns WHERE id = %s", int(draft)) == [2]
    shown = revoada.ok("campaign", "show", draft)
    assert "delivered, no reply" in shown
    audience = revoada.json("campaign", "show", draft)["audience"]
    assert (audience["source_id"], audience["recipient_count"]) == (int(sent), 2)
    made = revoada.json(*CREATE, "--from", sent, "--who", "failed")
    assert (made["recipient_count"], made["audience"]["conditions"]) == (2, "failed")


def test_a_dry_run_counts_and_makes_nothing(revoada, sent, database):
    database.run(add_message, int(sent), "uncertain")
    output = revoada.ok(*CREATE, "--from", sent, "--who", "not read", "--dry-run")
    assert output.startswith(f"5 people of campaign {sent} (May) fit now. No draft was made.\n1 of these people may")
    found = revoada.json(*CREATE, "--from", sent, "--who", "not read", "--dry-run")
    assert found == {"dry_run": True, "count": 5, "uncertain_count": 1, "suppressed_count": 0}
    assert fetch(database, "SELECT count(*) FROM campaigns") == [1]


def test_a_script_says_how_many_uncertain_people_it_takes(revoada, sent, database):
    database.run(add_message, int(sent), "uncertain", variables=["Eva"])
    asked = (*CREATE, "--from", sent, "--who", "not read")
    refused = revoada.refusal(*asked)
    assert "`" not in refused.split("uncertain.")[0]
    assert "--who 'not read, not uncertain' leaves them out, and --uncertain 1 takes them." in refused
    assert fetch(database, "SELECT count(*) FROM campaigns") == [1]
    revoada.ok(*asked, "--uncertain", "1")
    assert fetch(database, "SELECT recipient_count FROM campaigns WHERE name = 'June'") == [5]


def test_a_person_is_asked_about_uncertain_people(revoada, sent, database, monkeypatch):
    monkeypatch.setattr("campaigns.cli.campaign.audience.has_terminal", lambda: True)
    database.run(add_message, int(sent), "uncertain", variables=["Eva"])
    asked = (*CREATE, "--from", sent, "--who", "uncertain")
    declined = revoada(*asked, stdin="n\n")
    assert declined.exit_code != 0
    assert "leaves them out" in declined.stderr
    assert fetch(database, "SELECT count(*) FROM campaigns") == [1]
    assert "1 of these people may have got" in revoada.ok(*asked, stdin="y\n")
    assert fetch(database, "SELECT recipient_count FROM campaigns WHERE name = 'June'") == [1]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "Give --recipients FILE, or --from ID with --who CONDITIONS, or --standing."),
        (("--from", "1"), "Give --recipients FILE, or --from ID with --who CONDITIONS, or --standing."),
        (("--who", "read"), "Give --recipients FILE, or --from ID with --who CONDITIONS, or --standing."),
        (
            ("--from", "1", "--who", "read", "--map", "1=x"),
            "--map says how a file is read: give --recipients FILE, too.",
        ),
        (("--from", "1", "--who", "read", "--mobile-only"), "--mobile-only says how a file is read"),
    ],
)
def test_options_that_do_not_fit_are_refused(revoada, sent, options, words):
    assert words in revoada.refusal(*CREATE, *options, exit_code=2)


def test_a_file_takes_no_options_of_an_audience(revoada, sent, tmp_path):
    (tmp_path / "people.csv").write_text("phone,1\n+5511999990001,Ana\n")
    given = (*CREATE, "--recipients", "people.csv")
    assert "--dry-run belongs to --from." in revoada.refusal(*given, "--dry-run", exit_code=2)


def test_conditions_that_cannot_be_read_are_refused_with_their_place(revoada, sent):
    refused = revoada.refusal(*CREATE, "--from", sent, "--who", "delivered, opened")
    assert "at character 12, 'opened'" in refused
    assert "no reply" in refused


def test_show_counts_who_has_left_the_audience(revoada, sent, database):
    database.run(add_message, int(sent), "suppressed", error_title=LEFT_AUDIENCE)
    output = revoada.ok("campaign", "show", sent)
    assert "1 left the audience" in output
    assert LEFT_AUDIENCE in output
