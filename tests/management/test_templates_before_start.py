"""Before a start, the templates of the campaigns are read again from Meta."""

from __future__ import annotations

import pytest

from campaigns.config import Settings
from campaigns.domain.statement import Severity
from campaigns.management import lifecycle, templates
from campaigns.management.accounts import add_account, add_template, change_account
from campaigns.management.campaigns import CampaignChanges, create_campaign
from campaigns.management.drafts.starts import read_and_look
from campaigns.management.recipients import Reading
from campaigns.management.templates import sync_templates
from campaigns.secrets import make_key
from tests.simulator.far_end import WABA
from tests.store.rows import fetch
from tests.support.actors import TESTER

KEY = make_key()
OTHER_WABA = "7"


@pytest.fixture
def settings(far):
    return Settings(graph_api_url=f"{far.url}/v24.0", secret_key=KEY)


@pytest.fixture
def script(far):
    def script_one(body="Oi {{1}}!", **more):
        far.script(templates=[{"name": "promo", "language": "pt_BR", "body": body} | more])

    return script_one


@pytest.fixture
def draft(database, settings, script, tmp_path):
    """Reads the templates of the WABAs, and makes a draft."""
    for name, number, waba in (("sales", "1001", WABA), ("agency", "1002", OTHER_WABA)):
        secrets = {"token": "token-1", "secret_key": KEY}
        add_account(database, name, phone_number_id=number, waba_id=waba, **secrets, actor=TESTER)

    def make(*, accounts=("sales",)):
        script()
        sync_templates(database, settings, actor=TESTER)
        file = tmp_path / "people.csv"
        file.write_text("phone,name\n+5511999990001,Ana\n")
        asked = CampaignChanges(name="Sale", template="promo:pt_BR", accounts=accounts)
        return create_campaign(database, asked, file, Reading(), time_zone="UTC", actor=TESTER).id

    return make


@pytest.fixture
def look(database, settings):
    def look_one(campaign_id):
        (found,) = read_and_look(database, settings, [campaign_id], actor=TESTER)
        return found

    return look_one


def codes(look):
    return [each.code for each in look.warnings]


def test_a_text_that_was_edited_at_meta_is_stored_and_shown(database, draft, look, script):
    campaign_id = draft()
    assert codes(look(campaign_id)) == []
    script("Tchau {{1}}!")
    seen = look(campaign_id)
    assert (seen.message.body, codes(seen), seen.has_risk) == ("Tchau Ana!", ["template_edited"], True)
    assert fetch(database, "SELECT components -> 0 ->> 'text' FROM templates WHERE waba_id = %s", WABA) == [
        "Tchau {{1}}!"
    ]
    (move,) = lifecycle.start_campaigns(database, [campaign_id], told={campaign_id: seen.told}, actor=TESTER)
    assert move.new == "pending"


def test_an_edit_is_in_the_audit_and_an_unchanged_read_is_not(database, draft, look, script):
    campaign_id = draft()
    acts = "SELECT count(*) FROM audit_events WHERE what = 'template.sync'"
    before = fetch(database, acts)
    look(campaign_id)
    assert fetch(database, acts) == before
    script("Tchau {{1}}!")
    look(campaign_id)
    assert fetch(database, acts) == [before[0] + 1]


@pytest.mark.parametrize(
    ("change", "obstacle"),
    [
        ({"status": "PAUSED"}, "template_not_sent"),
        ({"status": "REJECTED"}, "template_not_sent"),
        ({"name": "another"}, "template_not_sent"),
        ({"body": "Oi {{1}}, {{2}}!"}, "values_misfit"),
    ],
    ids=["paused", "rejected", "deleted", "another form"],
)
def test_a_template_that_can_not_be_sent_any_more_is_an_obstacle(draft, look, script, change, obstacle):
    campaign_id = draft()
    script(**change)
    departure = look(campaign_id).departure
    assert departure.at is None
    assert [each.code for each in departure.obstacles] == [obstacle]


@pytest.mark.parametrize("away", ["address", "answer", "key"])
def test_a_meta_that_does_not_answer_is_a_note_and_stops_no_start(database, settings, draft, far, away):
    campaign_id = draft()
    if away == "address":
        settings = Settings(graph_api_url="http://127.0.0.1:9/v24.0", secret_key=KEY)
    elif away == "answer":
        far.script(template_reads="html")
    else:
        fetch(database, "UPDATE accounts SET token = 'x'")
    (seen,) = read_and_look(database, settings, [campaign_id], actor=TESTER)
    (note,) = seen.warnings
    assert (note.code, note.severity, seen.has_risk) == ("template_not_read", Severity.NOTE, seen.night is not None)
    assert "promo:pt_BR" in str(note)
    assert (seen.message.body, seen.departure.at is not None) == ("Oi Ana!", True)
    told = {campaign_id: seen.told}
    assert lifecycle.start_campaigns(database, [campaign_id], told=told, actor=TESTER)[0].new == "pending"


def test_a_token_that_meta_refuses_is_an_obstacle(draft, look, far):
    campaign_id = draft()
    far.script(tokens=["another"])
    seen = look(campaign_id)
    (obstacle,) = seen.departure.obstacles
    assert (obstacle.code, seen.departure.at, codes(seen)) == ("tokens_refused", None, [])
    assert "because Meta refuses the token of each of its accounts (sales)." in str(obstacle)
    advice = obstacle.fill_advice(str)
    assert "code 190" in advice
    assert "change account sales: access token" in advice


def test_one_refused_token_of_several_is_a_warning_and_the_next_token_reads_the_template(
    database, draft, look, far, script
):
    campaign_id = draft(accounts=("sales", "agency"))
    fetch(database, "UPDATE accounts SET waba_id = %s", WABA)
    change_account(database, "sales", {"token": "old"}, secret_key=KEY, actor=TESTER)
    script("Tchau {{1}}!")
    far.script(tokens=["token-1"])
    seen = look(campaign_id)
    assert (seen.message.body, codes(seen), seen.has_risk) == ("Tchau Ana!", ["template_edited", "token_refused"], True)
    assert seen.departure.at is not None
    assert "Meta refuses the token of account sales, so only the other accounts" in str(seen.warnings[-1])


def test_a_meta_that_answers_slowly_is_not_awaited_longer_than_a_person_waits(
    settings, draft, database, far, monkeypatch
):
    campaign_id = draft()
    monkeypatch.setattr(templates, "_READ_AGAIN_SECONDS", 0.3)
    far.script(latency_ms=60_000)
    (seen,) = read_and_look(database, settings, [campaign_id], actor=TESTER)
    assert codes(seen) == ["template_not_read"]


def test_the_copy_of_each_waba_is_read_with_one_request(database, draft, look, script):
    campaign_id = draft(accounts=("sales", "agency"))
    script("Tchau {{1}}!")
    look(campaign_id)
    edited = fetch(database, "SELECT waba_id FROM templates WHERE components::text LIKE '%%Tchau%%'")
    assert sorted(edited) == sorted([WABA, OTHER_WABA])


def test_a_read_of_one_template_does_not_count_as_the_list_of_its_waba(database, draft, look):
    """A template that an operator added after the last sync is still known."""
    campaign_id = draft()
    add_template(database, "by_hand", language="pt_BR", body="Oi!", actor=TESTER)
    before = fetch(database, "SELECT max(synced_at) FROM templates")
    look(campaign_id)
    assert fetch(database, "SELECT max(synced_at) FROM templates") == before


def test_a_template_that_an_operator_added_is_not_read(database, settings, draft, script, look):
    campaign_id = draft()
    fetch(database, "UPDATE templates SET waba_id = '' WHERE waba_id = %s", WABA)
    script("Tchau {{1}}!")
    seen = look(campaign_id)
    assert (codes(seen), seen.message.body) == ([], "Oi Ana!")
