"""A download is written by a job, in pieces, and belongs to one user."""

from __future__ import annotations

from dataclasses import replace

import pytest

from campaigns.domain.statement import Refusal
from campaigns.domain.users.actor import Actor, ActorKind, Surface
from campaigns.management.files import work
from campaigns.management.files.jobs import (
    find_job,
    find_own_job,
    list_downloads,
    read_download,
    request_export,
    request_import,
    request_optouts_export,
)
from campaigns.management.recipients import Reading
from campaigns.management.suppressions import suppress_phones
from tests.store.rows import fetch
from tests.support.actors import TESTER


def test_an_export_is_a_file_in_pieces(database, draft, ask_import, do_all):
    ask_import()
    job_id = request_export(database, draft, actor=TESTER, delimiter=";")
    with pytest.raises(Refusal, match="not written yet"):
        read_download(database, job_id)
    do_all()
    lines = b"".join(read_download(database, job_id)).decode("utf-8-sig").splitlines()
    assert lines[0].startswith("phone;1;status;")
    assert [line.partition(";")[0] for line in lines[1:]] == ["+5511999990001", "+5511999990002"]
    assert find_job(database, job_id).result["row_count"] == 2
    assert fetch(database, "SELECT count(*) FROM audit_events WHERE what = 'campaign.export'") == [1]


@pytest.mark.parametrize("begins", [False, True])
def test_a_download_that_is_deleted_meanwhile_breaks_off(database, draft, begins, ask_import, do_all):
    ask_import()
    job_id = request_export(database, draft, actor=TESTER)
    do_all()
    pieces = read_download(database, job_id)
    if begins:
        next(pieces)
    fetch(database, "DELETE FROM file_jobs WHERE id = %s", job_id)
    with pytest.raises(LookupError):
        next(pieces)


def test_downloads_are_those_of_one_user(database, draft, upload, do_all):
    maria = Actor("maria", ActorKind.USER, Surface.CONSOLE)
    suppress_phones(database, ["+5511987650021"], actor=TESTER, reason="=x")
    request_import(database, draft, upload(), Reading(), actor=maria)
    first = request_export(database, draft, actor=maria)
    second = request_optouts_export(database, [], actor=maria, time_zone="UTC", delimiter=";")
    request_export(database, draft, actor=TESTER)
    assert [(each.id, each.size) for each in list_downloads(database, actor=maria)] == [(second, 0), (first, 0)]
    do_all()
    newest, oldest = list_downloads(database, actor=maria)
    assert (oldest.campaign_name, oldest.size) == ("Sale", len(b"".join(read_download(database, first))))
    assert (newest.campaign_id, newest.is_done) == (None, True)
    assert b"+5511987650021;manual;" in b"".join(read_download(database, second))
    assert find_own_job(database, first, actor=maria).id == first
    with pytest.raises(Refusal, match="no such work"):
        find_own_job(database, first, actor=replace(maria, name="pedro"))


def test_an_export_that_fails_is_not_in_the_audit(database, draft, monkeypatch, do_all):
    job_id = request_export(database, draft, actor=TESTER)

    def fail(*_arguments, **_named):
        raise ZeroDivisionError

    monkeypatch.setattr(work, "write_csv", fail)
    do_all()
    assert find_job(database, job_id).status == "failed"
    assert fetch(database, "SELECT count(*) FROM audit_events WHERE what = 'campaign.export'") == [0]
