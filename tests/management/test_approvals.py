"""A large campaign starts only after a second person has approved what it sends, and to whom."""

from __future__ import annotations

import pytest

from campaigns.domain.message import Status
from campaigns.domain.recipients import Choice
from campaigns.domain.users.actor import Act, Actor, ActorKind, Surface
from campaigns.management.accounts import add_account, add_template
from campaigns.management.campaigns import CampaignChanges, change_campaign, create_campaign
from campaigns.management.drafts.copies import copy_campaign
from campaigns.management.drafts.discards import discard_draft
from campaigns.management.drafts.imports import add_recipients, replace_recipients
from campaigns.management.lifecycle import cancel_campaigns, pause_campaigns, resume_campaigns, start_campaigns
from campaigns.management.listings.pages import page_audit
from campaigns.management.recipients import Reading
from campaigns.management.users.approvals import (
    approve_campaign,
    ask_for_approval,
    list_wanted_approvals,
    look_at_approval,
)
from campaigns.secrets import make_key
from campaigns.store.campaigns import list_campaigns
from tests.store.rows import fetch
from tests.support.actors import TESTER
from tests.support.campaigns import refusal

BY_NAME = Reading(choice=Choice(mapping={"1": "name"}))

KEY = make_key()
MARIA, JOAO = (Actor(name, ActorKind.USER, Surface.CONSOLE) for name in ("maria", "joao"))
ABOVE = 2


@pytest.fixture
def house(database):
    for number in ("1", "2"):
        add_account(
            database, f"a{number}", phone_number_id=number, waba_id="1", token="t", secret_key=KEY, actor=TESTER
        )
    add_template(database, "promo", language="en", body="Hi {{1}}!", actor=TESTER)
    add_template(database, "other", language="en", body="Bye {{1}}!", actor=TESTER)
    return database


@pytest.fixture
def write(tmp_path):
    def write_some(*numbers):
        file = tmp_path / f"{'-'.join(map(str, numbers))}.csv"
        file.write_text("phone,name\n" + "".join(f"+551199999000{number},Someone\n" for number in numbers))
        return file

    return write_some


@pytest.fixture
def sale(house, write):
    """A draft of Maria's with three people."""
    changes = CampaignChanges(name="Sale", template="promo:en", accounts=["a1"])
    return create_campaign(house, changes, write(1, 2, 3), actor=MARIA, time_zone="UTC").id


def ask(database, campaign_id, actor=MARIA, above=ABOVE):
    ask_for_approval(database, campaign_id, actor=actor, above=above)


def list_wanted(database, above=ABOVE):
    """The campaigns that wait for an approval, each with the person who asked."""
    return [(each.campaign_id, each.asked_by) for each in list_wanted_approvals(database, above=above)]


def start(database, campaign_id, actor=MARIA, above=ABOVE):
    return start_campaigns(database, [campaign_id], actor=actor, approve_above=above)


def read_status(database, campaign_id):
    return database.run(list_campaigns, [campaign_id])[0].status


def test_a_large_campaign_needs_an_approval(house, sale):
    assert refusal(start, house, sale) == "approval_missing"
    assert read_status(house, sale) == "draft"
    approve_campaign(house, sale, actor=JOAO)
    start(house, sale)
    assert read_status(house, sale) == "pending"
    acts = [(row.what, row.actor) for row in page_audit(house, limit=2).rows]
    assert acts == [(Act.CAMPAIGN_START, "maria"), (Act.CAMPAIGN_APPROVE, "joao")]


@pytest.mark.parametrize("above", [0, 3, 1_000])
def test_a_small_campaign_needs_none_and_without_the_setting_none_does(house, sale, above):
    start(house, sale, above=above)
    assert read_status(house, sale) == "pending"


def test_a_retry_sends_no_content_that_nobody_has_approved(house, sale):
    """The failed messages count, because a retry sends them with the content of then."""
    approve_campaign(house, sale, actor=JOAO)
    start(house, sale)
    fetch(house, "UPDATE campaigns SET status = 'running', started_at = now() WHERE id = %s RETURNING 1", sale)
    fetch(
        house,
        "UPDATE messages SET status = 'failed', claimed_at = now(), send_no = 1, account_id = 1, failed_at = now(),"
        " error_code = 131026, error_title = 'x' WHERE campaign_id = %s AND id > (SELECT min(id) FROM messages)"
        " RETURNING 1",
        sale,
    )
    other = CampaignChanges(template="other:en")
    code = refusal(change_campaign, house, sale, other, actor=MARIA, approve_above=ABOVE)
    assert code == "change_of_approved"
    pause_campaigns(house, [sale], actor=MARIA)
    change_campaign(house, sale, other, actor=MARIA, approve_above=ABOVE)
    assert refusal(resume_campaigns, house, [sale], actor=MARIA, approve_above=ABOVE) == "approval_void"


def test_nobody_approves_their_own_change_and_the_command_line_approves_nothing(house, sale):
    assert refusal(approve_campaign, house, sale, actor=MARIA) == "approval_of_own_change"
    assert refusal(approve_campaign, house, sale, actor=TESTER) == "approval_without_user"
    change_campaign(house, sale, CampaignChanges(interval_seconds=1), actor=JOAO)
    assert refusal(approve_campaign, house, sale, actor=JOAO) == "approval_of_own_change"
    assert refusal(start, house, sale) == "approval_missing"
    approve_campaign(house, sale, actor=MARIA)
    start(house, sale, actor=JOAO)


def test_a_person_who_made_the_change_at_the_command_line_does_not_approve_it(house, sale):
    as_login = Actor("Joao", ActorKind.CLI, Surface.CLI)
    change_campaign(house, sale, CampaignChanges(interval_seconds=1), actor=as_login)
    assert refusal(approve_campaign, house, sale, actor=JOAO) == "approval_of_own_change"


VOIDING = {
    "template": lambda database, sale, _write: change_campaign(
        database, sale, CampaignChanges(template="other:en"), actor=MARIA
    ),
    "accounts": lambda database, sale, _write: change_campaign(
        database, sale, CampaignChanges(accounts=["a2"]), actor=MARIA
    ),
    "people": lambda database, sale, write: add_recipients(database, sale, write(4), BY_NAME, actor=MARIA),
    "other people": lambda database, sale, write: replace_recipients(
        database, sale, write(5, 6, 7), Reading(), actor=MARIA
    ),
    "values": lambda database, sale, _write: fetch(
        database, 'UPDATE campaigns SET parameters = \'{"1": "you"}\' WHERE id = %s', sale
    ),
    "text": lambda database, _sale, _write: fetch(
        database,
        "UPDATE templates SET components = (SELECT components FROM templates WHERE name = 'other')"
        " WHERE name = 'promo'",
    ),
}


@pytest.mark.parametrize("change", VOIDING)
def test_a_change_of_the_content_voids_the_approval(house, sale, write, change):
    approve_campaign(house, sale, actor=JOAO)
    VOIDING[change](house, sale, write)
    assert refusal(start, house, sale) == "approval_void"
    assert read_status(house, sale) == "draft"
    approve_campaign(house, sale, actor=JOAO)
    start(house, sale)


def test_a_change_of_the_pace_leaves_the_approval(house, sale):
    approve_campaign(house, sale, actor=JOAO)
    change_campaign(house, sale, CampaignChanges(interval_seconds=5, name="Sale 2"), actor=MARIA)
    start(house, sale)


@pytest.mark.parametrize("schedule", [None, "2999-01-01 09:00"])
@pytest.mark.parametrize("changes", [{"template": "other:en"}, {"accounts": ["a2"]}, {"parameters": {"1": "you"}}])
def test_a_started_campaign_keeps_what_was_approved(house, sale, schedule, changes):
    if schedule:
        change_campaign(house, sale, CampaignChanges(schedule=schedule), actor=MARIA)
    approve_campaign(house, sale, actor=JOAO)
    start(house, sale)
    before = house.run(list_campaigns, [sale])
    asked = CampaignChanges(**changes)
    assert refusal(change_campaign, house, sale, asked, actor=MARIA, approve_above=ABOVE) == "change_of_approved"
    assert house.run(list_campaigns, [sale])[0].parameters == before[0].parameters
    change_campaign(house, sale, CampaignChanges(interval_seconds=1), actor=MARIA, approve_above=ABOVE)
    pause_campaigns(house, [sale], actor=MARIA)
    resume_campaigns(house, [sale], actor=MARIA, approve_above=ABOVE)  # nothing was changed


def test_a_campaign_that_was_changed_while_it_was_paused_needs_another_approval(house, sale, write):
    approve_campaign(house, sale, actor=JOAO)
    start(house, sale)
    pause_campaigns(house, [sale], actor=MARIA)
    add_recipients(house, sale, write(4), BY_NAME, actor=MARIA)
    resume = {"actor": MARIA, "approve_above": ABOVE}
    assert refusal(resume_campaigns, house, [sale], **resume) == "approval_void"
    approve_campaign(house, sale, actor=JOAO)
    resume_campaigns(house, [sale], **resume)


def test_only_messages_that_would_still_be_sent_count(house, sale):
    start(house, sale, above=0)
    pause_campaigns(house, [sale], actor=MARIA)
    fetch(house, "UPDATE messages SET status = 'suppressed' WHERE id = (SELECT min(id) FROM messages)")
    resume_campaigns(house, [sale], actor=MARIA, approve_above=ABOVE)


def test_of_several_campaigns_none_starts_if_one_lacks_an_approval(house, sale):
    other = copy_campaign(house, sale, name="Other", statuses=[Status.PENDING], actor=MARIA).id
    approve_campaign(house, sale, actor=JOAO)
    asked = {"actor": MARIA, "approve_above": ABOVE}
    assert refusal(start_campaigns, house, [sale, other], **asked) == "approval_missing"
    assert (read_status(house, sale), read_status(house, other)) == ("draft", "draft")


def test_an_approval_goes_with_its_draft_and_none_is_given_to_an_ended_campaign(house, sale):
    other = copy_campaign(house, sale, name="Other", statuses=[Status.PENDING], actor=MARIA).id
    approve_campaign(house, sale, actor=JOAO)
    discard_draft(house, sale, actor=MARIA)
    assert fetch(house, "SELECT count(*) FROM approvals") == [0]
    assert refusal(approve_campaign, house, sale, actor=JOAO) == "campaign_missing"
    cancel_campaigns(house, [other], actor=MARIA)
    assert refusal(approve_campaign, house, other, actor=JOAO) == "cannot_approve"


def test_a_request_is_one_row_one_act_and_one_event_however_often_it_is_made(house, sale):
    ask(house, sale)
    ask(house, sale, actor=JOAO)
    (wanted,) = list_wanted_approvals(house, above=ABOVE)
    assert (wanted.campaign_id, wanted.name, wanted.message_count) == (sale, "Sale", 3)
    assert (wanted.asked_by, wanted.changed_by) == ("maria", "maria")
    state = look_at_approval(house, sale, above=ABOVE)
    assert (state.asked_by, state.asked_at) == ("maria", wanted.asked_at)
    assert [row.actor for row in page_audit(house, limit=9).rows if row.what == Act.CAMPAIGN_ASK_APPROVAL] == ["maria"]
    data = {"campaign_id": str(sale), "message_count": 3}
    assert fetch(house, "SELECT type, data FROM hook_events") == [("campaign.approval_wanted", data)]


@pytest.mark.parametrize("change", VOIDING)
def test_a_change_of_the_content_ends_the_request(house, sale, write, change):
    ask(house, sale)
    VOIDING[change](house, sale, write)
    assert list_wanted(house) == []
    assert look_at_approval(house, sale, above=ABOVE).asked_by is None
    ask(house, sale, actor=JOAO)
    assert list_wanted(house) == [(sale, "joao")]
    assert fetch(house, "SELECT count(*) FROM hook_events") == [2]


def test_an_approval_ends_the_request(house, sale):
    ask(house, sale)
    approve_campaign(house, sale, actor=JOAO)
    assert list_wanted(house) == []
    assert refusal(ask, house, sale) == "approval_exists"
    # An older process approves without the row of the request.
    content = look_at_approval(house, sale, above=ABOVE).digest
    fetch(house, "INSERT INTO approval_requests VALUES (%s, %s, 'maria') RETURNING 1", sale, content)
    assert list_wanted(house) == []


def test_a_content_that_is_taken_back_can_be_asked_for_again(house, sale):
    ask(house, sale)
    approve_campaign(house, sale, actor=JOAO)
    for template in ("other:en", "promo:en"):
        change_campaign(house, sale, CampaignChanges(template=template), actor=MARIA)
        if template == "other:en":
            approve_campaign(house, sale, actor=JOAO)
    assert list_wanted(house) == []  # nobody has asked since
    ask(house, sale)
    assert list_wanted(house) == [(sale, "maria")]


def test_a_request_that_nobody_needs_is_refused_and_one_that_is_not_needed_any_more_is_not_shown(house, sale):
    assert refusal(ask, house, 99) == "campaign_missing"
    assert refusal(ask, house, sale, above=0) == "approval_not_needed"
    assert refusal(ask, house, sale, above=3) == "approval_not_needed"
    assert fetch(house, "SELECT type FROM hook_events") == []
    ask(house, sale)
    assert list_wanted(house, above=3) == []
    assert list_wanted(house, above=0) == []
    cancel_campaigns(house, [sale], actor=MARIA)
    assert list_wanted(house) == []
    assert refusal(ask, house, sale) == "cannot_ask_approval"


def test_a_request_goes_with_its_draft(house, sale):
    ask(house, sale)
    discard_draft(house, sale, actor=MARIA)
    assert fetch(house, "SELECT count(*) FROM approval_requests") == [0]
    assert list_wanted(house) == []


def test_a_paused_campaign_that_was_changed_can_ask_too(house, sale, write):
    approve_campaign(house, sale, actor=JOAO)
    start(house, sale)
    pause_campaigns(house, [sale], actor=MARIA)
    add_recipients(house, sale, write(4), BY_NAME, actor=MARIA)
    ask(house, sale)
    assert list_wanted(house) == [(sale, "maria")]
