"""The role `files` dies while it reads a list: another process reads the whole list, and nobody is in it twice."""

from __future__ import annotations

from harness import Campaign, Flow, wait_for

from campaigns.domain.recipients import Choice
from campaigns.management.files.jobs import find_job, request_import
from campaigns.management.files.uploads import add_piece, begin_upload, end_upload
from campaigns.management.recipients import Reading
from tests.support.actors import TESTER

PEOPLE = 150_000
PIECE = 1_000_000


def ask_for_import(flow: Flow, campaign: Campaign) -> int:
    """Upload a list that takes seconds to read, and let it replace the people of a draft; return the id of the job."""
    rows = "".join(f"+55219{number:08d},Ana,{number % 50}%\n" for number in range(PEOPLE))
    data = f"phone,nome,desconto\n{rows}".encode()
    upload_id = begin_upload(flow._database, "people.csv", actor=TESTER)
    for number, start in enumerate(range(0, len(data), PIECE), start=1):
        add_piece(flow._database, upload_id, number, data[start : start + PIECE], max_bytes=len(data))
    end_upload(flow._database, upload_id, actor=TESTER)
    reading = Reading(choice=Choice(phone="phone", mapping={"1": "nome", "2": "desconto"}))
    return request_import(flow._database, campaign.id, upload_id, reading, actor=TESTER, replaces=True)


def test_a_list_whose_process_is_killed_is_read_by_another(flow: Flow) -> None:
    campaign = flow.add_campaign("Promoção", [flow.add_account("Vendas")], people=3)
    flow.start("files", "beat", reconcile_seconds=1)
    flow.await_ready("files", "beat")
    job_id = ask_for_import(flow, campaign)
    wait_for(lambda: find_job(flow._database, job_id).part > 0, "a process reads the list")

    flow.role("files").kill()
    flow.forget_role("files")
    locks = "SELECT FROM pg_locks WHERE relation = 'file_jobs'::regclass AND mode = 'RowShareLock'"
    wait_for(lambda: not flow.query(locks), "Postgres has ended the transaction")
    assert find_job(flow._database, job_id).is_due
    assert flow.query("SELECT count(*) FROM messages WHERE campaign_id = %s", campaign.id) == [(3,)], "the old people"

    flow.start("files2", reconcile_seconds=1)
    wait_for(lambda: not find_job(flow._database, job_id).is_due, "another process reads it")
    job = find_job(flow._database, job_id)
    assert (job.status, job.tries) == ("done", 2)
    assert flow.query(
        "SELECT count(*), count(DISTINCT recipient_key) FROM messages WHERE campaign_id = %s", campaign.id
    ) == [(PEOPLE, PEOPLE)]


def test_a_list_whose_process_is_stopped_is_read_by_another_and_no_try_is_counted(flow: Flow) -> None:
    campaign = flow.add_campaign("Promoção", [flow.add_account("Vendas")], people=3)
    flow.start("files", "beat", reconcile_seconds=1)
    flow.await_ready("files", "beat")
    job_id = ask_for_import(flow, campaign)
    wait_for(lambda: find_job(flow._database, job_id).part > 0, "a process reads the list")

    flow.role("files").stop()
    flow.forget_role("files")
    job = find_job(flow._database, job_id)
    assert (job.status, job.tries) == ("due", 0)
    assert flow.query("SELECT count(*) FROM messages WHERE campaign_id = %s", campaign.id) == [(3,)], "the old people"

    flow.start("files2", reconcile_seconds=1)
    wait_for(lambda: not find_job(flow._database, job_id).is_due, "another process reads it")
    job = find_job(flow._database, job_id)
    assert (job.status, job.tries) == ("done", 1)
