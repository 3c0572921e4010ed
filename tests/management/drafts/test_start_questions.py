"""The facts that a person sees before a start, and the start that checks them again."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from campaigns.domain.campaign import CampaignStatus
from campaigns.domain.statement import Refusal
from campaigns.management import lifecycle
from campaigns.management.accounts import add_template
from campaigns.management.campaigns import CampaignChanges, change_campaign
from campaigns.management.drafts import starts
from campaigns.management.drafts.starts import look_before_start
from campaigns.management.files.uploads import begin_upload
from campaigns.management.suppressions import suppress_phones
from campaigns.store.files.jobs import JobKind, JobStatus, end_job, insert_job
from tests.management.drafts.lists import ANA, BIA, CAIO
from tests.store.rows import Beside, await_blocked, fetch, hold
from tests.support.actors import TESTER
from tests.support.campaigns import read_campaign, refusal


def test_the_second_of_two_starts_that_were_asked_at_the_same_time_is_refused(database, filled_draft, look, start):
    one, two = filled_draft(name="One"), filled_draft(name="Two")
    asked_of_one, asked_of_two = look(one)[0], look(two)[0]
    assert not asked_of_two.coming
    start(asked_of_one)
    with pytest.raises(Refusal) as refused:
        start(asked_of_two)
    assert str(refused.value) == (
        f"Campaign {one} (One) now reaches 2 recipients of campaign {two} (Two), too; when you were asked, the number"
        f' was 0. Nothing was started: "start campaign {two}" asks again.'
    )
    assert read_campaign(database, two).status == "draft"
    (asked_again,) = look(two)
    assert [each.campaign_id for each in asked_again.coming] == [one]
    start(asked_again)
    assert read_campaign(database, two).status == "pending"


def test_two_starts_in_the_same_moment_wait_for_each_other(database, filled_draft, look):
    one, two = look(filled_draft(name="One"))[0], look(filled_draft(name="Two"))[0]

    def move(connection, asked):
        told = {asked.campaign.id: asked.told}
        return lifecycle._move(connection, lifecycle.Command.START, [*told], TESTER, told=told)

    first, may_commit = hold(database, move, one)
    second = Beside(database.run, move, two)
    await_blocked(database)
    may_commit.set()
    assert first.result()[0].new is CampaignStatus.PENDING
    with pytest.raises(Refusal, match="now reaches 2 recipients"):
        second.result()
    assert read_campaign(database, two.campaign.id).status == "draft"


def test_people_of_another_file_and_template_are_counted_inside_the_start(database, filled_draft, look, start):
    add_template(database, "other", language="pt_BR", body="Oi {{1}}?", actor=TESTER)
    one, two = (
        filled_draft(name="One"),
        filled_draft(f"phone,name\n{BIA},B\n{CAIO},C\n", name="Two", template="other:pt_BR"),
    )
    (asked,) = look(two)
    start(*look(one))
    with pytest.raises(Refusal, match="now reaches 1 recipient of"):
        start(asked)


def test_a_resume_checks_again_what_the_person_was_told(database, filled_draft, look, start):
    one, two = filled_draft(name="One"), filled_draft(name="Two")
    start(*look(two))
    lifecycle.pause_campaigns(database, [two], actor=TESTER)
    (asked,) = look(two)
    start(*look(one))
    with pytest.raises(Refusal) as refused:
        lifecycle.resume_campaigns(database, [two], told={two: asked.told}, actor=TESTER)
    assert refused.value.code == "repeats_since_question"
    assert f'"resume campaign {two}" asks again' in str(refused.value)
    assert read_campaign(database, two).status == "paused"


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE templates SET components = replace(components::text, 'Oi', 'Ola')::jsonb",
        CampaignChanges(template="other:pt_BR"),
        CampaignChanges(parameters={"2": "B2"}),
        CampaignChanges(accounts=["support"]),
        "DELETE FROM messages WHERE id = (SELECT max(id) FROM messages)",
    ],
    ids=["text", "template", "values", "account", "people"],
)
def test_a_start_sends_nothing_else_than_the_person_saw(database, filled_draft, look, start, change):
    for name in ("code", "other"):
        add_template(database, name, language="pt_BR", body="Oi {{1}}, {{2}}!", actor=TESTER)
    campaign_id = filled_draft(template="code:pt_BR", parameters={"2": "A1"})
    (asked,) = look(campaign_id)
    if isinstance(change, str):
        fetch(database, change)
    else:
        change_campaign(database, campaign_id, change, actor=TESTER)
    assert refusal(start, asked) == "changed_since_question"
    assert read_campaign(database, campaign_id).status == "draft"
    start(*look(campaign_id))


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE campaigns SET scheduled_at = now() + interval '1 day'",
        "UPDATE campaigns SET window_from = '01:00', window_to = '23:00'",
        "UPDATE campaigns SET weekdays = '{1,2,3,4,5}'",
        "UPDATE campaigns SET interval_seconds = 2",
        "UPDATE campaigns SET expire_at = now() + interval '9 days'",
    ],
)
def test_a_start_sends_at_no_other_times_than_the_person_saw(database, filled_draft, look, start, change):
    campaign_id = filled_draft()
    (asked,) = look(campaign_id)
    fetch(database, change)
    assert refusal(start, asked) == "hours_since_question"
    assert read_campaign(database, campaign_id).status == "draft"
    start(*look(campaign_id))


def test_a_night_that_began_after_the_question_is_asked_about(filled_draft, look, start):
    (asked,) = look(filled_draft())
    count = asked.night.night_count if asked.night else 0
    now = dt.datetime.now(ZoneInfo("America/Sao_Paulo"))
    night = tuple((now + dt.timedelta(hours=hours)).time() for hours in (-1, 1))
    earlier = replace(asked, told=replace(asked.told, quiet=night, night_count=0))
    with pytest.raises(Refusal, match="would now reach 2 recipients at night; when you were asked, the number was 0"):
        start(earlier)
    start(replace(asked, told=replace(asked.told, night_count=count)))


@pytest.mark.parametrize(
    "change",
    [
        "status = 'cancelled'",
        # A retry makes such a message pending.
        "status = 'failed', claimed_at = now(), send_no = 1, account_id = 1, failed_at = now(), error_title = 'x'",
    ],
)
def test_messages_that_became_pending_after_the_question_are_asked_about(database, filled_draft, look, start, change):
    campaign_id = filled_draft()
    start(*look(campaign_id))
    lifecycle.pause_campaigns(database, [campaign_id], actor=TESTER)
    fetch(database, f"UPDATE messages SET {change} WHERE id = (SELECT max(id) FROM messages)")
    (asked,) = look(campaign_id)
    fetch(database, "UPDATE messages SET status = 'pending' WHERE status IN ('cancelled', 'failed')")
    with pytest.raises(Refusal) as refused:
        lifecycle.resume_campaigns(database, [campaign_id], told={campaign_id: asked.told}, actor=TESTER)
    assert refused.value.code == "changed_since_question"


def test_what_is_shown_and_what_is_vouched_for_are_of_one_moment(database, filled_draft, monkeypatch):
    """A colleague changes the draft while the facts are read."""
    campaign_id = filled_draft()
    read = starts.load_template

    def read_and_change(*arguments):
        change = CampaignChanges(name="Sale 2", parameters={}, accounts=["support"])
        Beside(change_campaign, database, campaign_id, change, actor=TESTER).result()
        return read(*arguments)

    monkeypatch.setattr(starts, "load_template", read_and_change)
    (asked,) = look_before_start(database, [campaign_id], quiet=None, overlap_days=7)
    monkeypatch.undo()
    assert asked.campaign.name == "Sale"
    with pytest.raises(Refusal) as refused:
        lifecycle.start_campaigns(database, [campaign_id], told={campaign_id: asked.told}, actor=TESTER)
    assert refused.value.code == "changed_since_question"


@pytest.mark.parametrize("kind", [JobKind.ADD, JobKind.REPLACE])
def test_a_campaign_does_not_start_while_a_list_for_it_is_due(database, filled_draft, look, start, kind):
    campaign_id = filled_draft()
    (asked,) = look(campaign_id)
    upload_id = begin_upload(database, "people.csv", actor=TESTER)
    job_id = database.run(insert_job, kind, campaign_id, upload_id=upload_id, request={}, actor={})
    assert refusal(start, asked) == "list_still_read"
    database.run(end_job, job_id, JobStatus.DONE, {})
    start(asked)


def test_people_whom_the_limit_per_person_holds_back_are_counted(
    database, filled_draft, look, start_draft, monkeypatch
):
    earlier_id = filled_draft(f"phone,name\n{ANA},Ana\n")
    start_draft(earlier_id)
    fetch(database, "UPDATE campaigns SET started_at = now()")
    sent = "status = 'sent', claimed_at = now(), sent_at = now(), send_no = 1, account_id = 1, wamid = 'w'"
    fetch(database, f"UPDATE messages SET {sent}")
    ids = [filled_draft(max_per_person=most, within_days=7) for most in (1, 2)]
    assert [each.capped_count for each in look(*ids)] == [1, 0]
    with monkeypatch.context() as few:
        few.setattr("campaigns.management.preview._MOST_COUNTED", 0)  # a large campaign is not counted
        assert [each.capped_count for each in look(*ids)] == [0, 0]
    fetch(database, "UPDATE messages SET claimed_at = now() - interval '8 days' WHERE status = 'sent'")
    assert look(ids[0])[0].capped_count == 0
    assert look(filled_draft())[0].capped_count == 0  # no limit


def test_a_start_that_told_nobody_is_not_checked(database, filled_draft):
    ids = [filled_draft(name="One"), filled_draft(name="Two")]
    for campaign_id in ids:
        lifecycle.start_campaigns(database, [campaign_id], actor=TESTER)
    assert [read_campaign(database, campaign_id).status for campaign_id in ids] == ["pending", "pending"]


def test_a_draft_as_it_was_made_has_no_warning(filled_draft, look):
    (asked,) = look(filled_draft())
    assert (asked.template, asked.message.body, asked.send_count) == ("promo:pt_BR", "Oi Ana!", 2)
    assert (asked.warnings, asked.blocked_count, asked.campaign.rejected_count) == ([], 0, 0)


def test_people_who_opted_out_are_not_counted_as_sent(database, filled_draft, look):
    campaign_id = filled_draft()
    suppress_phones(database, [BIA], actor=TESTER, reason=None)
    (asked,) = look(campaign_id)
    assert (asked.send_count, asked.blocked_count) == (1, 1)


def test_overlaps_of_one_start_are_told_once(filled_draft, look):
    looks = look(filled_draft(name="One"), filled_draft(name="Two"))
    assert [len(each.coming) for each in looks] == [1, 0]
    assert [len(each.told.reached) for each in looks] == [1, 1]


def test_the_number_of_people_may_fall_between_question_and_start(filled_draft, look, start):
    (asked,) = look(filled_draft())
    start(replace(asked, told=replace(asked.told, reached={99: 5})))


def test_a_question_whether_campaigns_could_start_waits_for_no_start(database, filled_draft):
    campaign_id, busy = filled_draft(), filled_draft()
    asked = look_before_start(database, [busy], quiet=None, overlap_days=7)[0]

    def move(connection):
        return lifecycle._move(connection, lifecycle.Command.START, [busy], TESTER, told={busy: asked.told})

    first, may_commit = hold(database, move)
    lifecycle.check_departures(database, lifecycle.Command.START, [campaign_id])
    may_commit.set()
    assert first.result()[0].new is CampaignStatus.PENDING
