"""A draft does not start while a newer list than that of its people was uploaded for it."""

from __future__ import annotations

import pytest

from campaigns.domain.campaign import Command
from campaigns.domain.statement import Refusal
from campaigns.domain.users.actor import Actor, ActorKind, Surface
from campaigns.management import lifecycle
from campaigns.management.drafts.audiences import Audience, fill_draft
from campaigns.management.drafts.imports import replace_recipients
from campaigns.management.files.jobs import discard_newer_list, request_fill, request_import, request_look
from campaigns.management.files.uploads import store_upload
from campaigns.management.files.work import do_next_job
from campaigns.management.recipients import Reading
from campaigns.management.users.approvals import approve_campaign
from campaigns.store.files.jobs import JobStatus, end_job
from tests.management.drafts.lists import LIST
from tests.store.rows import add_campaign, add_messages, fetch
from tests.support.actors import TESTER
from tests.support.campaigns import refusal


@pytest.fixture
def upload_newer(database):
    """Uploads a list into a draft as the console does; returns the id of the upload."""

    def upload(campaign_id, name="corrected.csv"):
        upload_id = store_upload(database, name, [LIST.encode() + b"x"], max_bytes=10**6, actor=TESTER).id
        request_look(database, campaign_id, upload_id, actor=TESTER)
        return upload_id

    return upload


@pytest.mark.parametrize("refused", [False, True])
def test_a_draft_does_not_start_with_the_people_of_an_older_list(
    database, filled_draft, start_draft, upload_newer, refused
):
    """Neither while the columns of the newer list are not chosen, nor after the newer list was refused."""
    campaign_id = filled_draft()
    upload_id = upload_newer(campaign_id)
    if refused:
        job_id = request_import(database, campaign_id, upload_id, Reading(), actor=TESTER, replaces=True)
        database.run(end_job, job_id, JobStatus.REFUSED, {})
    with pytest.raises(Refusal) as raised:
        start_draft(campaign_id)
    assert raised.value.code == "newer_list_unread"
    assert "The list corrected.csv was uploaded" in str(raised.value)
    assert "still has the people of people.csv" in str(raised.value)
    joao = Actor(ActorKind.USER, "joao", Surface.CONSOLE)
    assert refusal(approve_campaign, database, campaign_id, actor=joao) == "newer_list_unread"
    discard_newer_list(database, campaign_id, actor=TESTER)
    assert fetch(database, "SELECT FROM uploads") == []
    start_draft(campaign_id)


def test_a_draft_starts_after_its_newer_list_was_read(database, filled_draft, start_draft, upload_newer):
    campaign_id = filled_draft()
    upload_id = upload_newer(campaign_id)
    request_import(database, campaign_id, upload_id, Reading(), actor=TESTER, replaces=True)
    while do_next_job(database, secret_key=None, overlap_days=7):
        pass
    start_draft(campaign_id)


def test_a_list_that_a_command_imports_is_newer_than_the_upload(
    database, filled_draft, start_draft, upload_newer, tmp_path
):
    campaign_id = filled_draft()
    upload_newer(campaign_id)
    replace_recipients(database, campaign_id, tmp_path / "people.csv", Reading(), actor=TESTER)
    start_draft(campaign_id)


def test_an_import_that_was_asked_for_before_the_upload_is_no_newer_list(database, filled_draft, upload_newer):
    campaign_id = filled_draft()
    first_id = upload_newer(campaign_id, "first.csv")
    request_import(database, campaign_id, first_id, Reading(), actor=TESTER, replaces=True)
    upload_newer(campaign_id)
    while do_next_job(database, secret_key=None, overlap_days=7):
        pass
    with pytest.raises(Refusal, match=r"still has the people of first\.csv"):
        lifecycle.check_departures(database, Command.START, [campaign_id])
    discard_newer_list(database, campaign_id, actor=TESTER)
    assert fetch(database, "SELECT name FROM uploads") == ["first.csv"]
    lifecycle.check_departures(database, Command.START, [campaign_id])


@pytest.fixture
def source(database, filled_draft):
    """A completed campaign whose people a draft can take."""
    filled_draft()  # for its account and template

    def work(connection):
        campaign_id = add_campaign(connection, "completed", accounts=[1], template_id=1, columns=["1"])
        add_messages(connection, campaign_id, 2, "delivered", variables=["Ana"])
        return campaign_id

    return database.run(work)


@pytest.mark.parametrize("is_job", [False, True])
def test_people_of_an_earlier_campaign_are_newer_than_a_list_that_was_refused(
    database, filled_draft, start_draft, upload_newer, *, source, is_job
):
    campaign_id = filled_draft()
    job_id = request_import(database, campaign_id, upload_newer(campaign_id), Reading(), actor=TESTER, replaces=True)
    database.run(end_job, job_id, JobStatus.REFUSED, {})
    if is_job:
        request_fill(database, campaign_id, source, "delivered", None, actor=TESTER)
        do_all(database)
    else:
        fill_draft(database, campaign_id, Audience(source, "delivered"), actor=TESTER)
    assert fetch(database, "SELECT recipient_count FROM campaigns WHERE id = %s", campaign_id) == [2]
    start_draft(campaign_id)


def test_people_who_were_asked_for_before_the_upload_are_not_newer(database, filled_draft, upload_newer, source):
    campaign_id = filled_draft()
    request_fill(database, campaign_id, source, "delivered", None, actor=TESTER)
    upload_newer(campaign_id)
    do_all(database)
    with pytest.raises(Refusal, match=r"The list corrected\.csv was uploaded"):
        lifecycle.check_departures(database, Command.START, [campaign_id])


def do_all(database):
    while do_next_job(database, secret_key=None, overlap_days=7):
        pass
