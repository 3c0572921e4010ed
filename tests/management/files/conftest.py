"""A draft, and lists that were uploaded for it."""

from __future__ import annotations

import threading

import pytest

from campaigns.management.accounts import add_account, add_template
from campaigns.management.campaigns import CampaignChanges, draft_campaign
from campaigns.management.files import work
from campaigns.management.files.jobs import request_import
from campaigns.management.files.uploads import add_piece, begin_upload, end_upload
from campaigns.management.recipients import Reading
from campaigns.secrets import make_key
from campaigns.store.files import jobs as store
from tests.management.files.lists import LIST, MOST_BYTES
from tests.simulator.far_end import PATIENCE_SECONDS
from tests.store.rows import Beside
from tests.support.actors import TESTER


@pytest.fixture
def draft(database):
    add_account(database, "sales", phone_number_id="1", waba_id="1", token="t", secret_key=make_key(), actor=TESTER)
    add_template(database, "promo", language="en", body="Hi {{1}}!", actor=TESTER)
    asked = CampaignChanges(name="Sale", template="promo:en", accounts=["sales"])
    return draft_campaign(database, asked, time_zone="UTC", actor=TESTER).id


@pytest.fixture
def other_draft(database, draft):
    asked = CampaignChanges(name="Other", template="promo:en", accounts=["sales"])
    return draft_campaign(database, asked, time_zone="UTC", actor=TESTER).id


@pytest.fixture
def upload(database):
    """Uploads a list in pieces of 20 bytes; returns the id of the upload."""

    def upload_one(text=LIST, name="people.csv"):
        upload_id = begin_upload(database, name, actor=TESTER)
        data = text.encode()
        for number, start in enumerate(range(0, len(data), 20), start=1):
            add_piece(database, upload_id, number, data[start : start + 20], max_bytes=MOST_BYTES)
        return end_upload(database, upload_id, actor=TESTER).id

    return upload_one


@pytest.fixture
def ask_import(database, draft, upload):
    """Asks for the import of a list, into the draft if no other campaign is named; returns the id of the job."""

    def ask(text=LIST, *, into=draft, **named):
        return request_import(database, into, upload(text), Reading(), actor=TESTER, **named)

    return ask


@pytest.fixture
def do_all(database):
    """Does all jobs that are due; returns their number."""

    def do():
        count = 0
        while work.do_next_job(database, secret_key=None, overlap_days=7):
            count += 1
        return count

    return do


@pytest.fixture
def work_on(database):
    """Holds a due job as the process that works on it does; `finish(work)` runs work in its transaction and commits."""
    begun, may_finish, todo = threading.Event(), threading.Event(), []

    def run(connection):
        assert store.lock_due_job(connection) is not None
        begun.set()
        assert may_finish.wait(PATIENCE_SECONDS)
        for work_ in todo:
            work_(connection)

    def begin():
        worker = Beside(database.run, run)
        assert begun.wait(PATIENCE_SECONDS)

        def finish(*works):
            todo.extend(works)
            may_finish.set()
            worker.result()

        return finish

    yield begin
    may_finish.set()
