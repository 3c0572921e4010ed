"""A POST with an Idempotency-Key is carried out once, however often it comes."""

from __future__ import annotations

from threading import Barrier

import pytest

from campaigns.management.drafts import starts
from campaigns.management.listings.pages import page_campaigns
from tests.api.conftest import read_problem
from tests.store.rows import Beside, fetch

DRAFT = {"name": "Black Friday", "template": "promo:pt_BR"}


def count(database):
    return len(page_campaigns(database).rows)


def test_the_same_request_gets_the_first_answer_and_makes_one_draft(house, program):
    first, again = (program.post("/campaigns", DRAFT, key="one") for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 201)
    assert (again.data, again.headers["ETag"], again.headers["Location"]) == (
        first.data,
        first.headers["ETag"],
        first.headers["Location"],
    )
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert count(house) == 1


def test_another_request_another_path_or_another_token_is_another_thing(house, api, program, make_draft):
    program.post("/campaigns", DRAFT, key="one")
    assert read_problem(program.post("/campaigns", DRAFT | {"name": "X"}, key="one")) == (422, "idempotency_key_reused")
    assert read_problem(program.post(f"/campaigns/{make_draft()}:start", key="one")) == (422, "idempotency_key_reused")
    assert api.program().post("/campaigns", DRAFT, key="one").status_code == 201
    assert program.post("/campaigns", DRAFT, key="two").status_code == 201
    assert count(house) == 4


def test_a_refused_request_uses_no_key_up(house, program):
    wrong = program.post("/campaigns", DRAFT | {"template": "nothing:en"}, key="one")
    assert wrong.status_code == 404
    assert program.post("/campaigns", DRAFT, key="one").status_code == 201


def test_a_start_is_repeated_without_a_second_look_and_without_a_second_task(api, program, make_draft, monkeypatch):
    path = f"/campaigns/{make_draft()}:start"
    first = program.post(path, key="go")
    assert first.status_code == 200
    monkeypatch.setattr(starts, "read_campaign_templates", None)  # Meta would be asked by this function
    again = program.post(path, key="go")
    assert (again.data, again.headers["Idempotency-Replayed"]) == (first.data, "true")
    assert len(api.enqueued) == 1
    assert read_problem(program.post(path, key="another")) == (500, "fault")


def test_of_200_requests_at_once_one_is_carried_out(house, program):
    barrier = Barrier(200)

    def post():
        barrier.wait(60)
        return program.post("/campaigns", DRAFT, key="one")

    answers = [each.result() for each in [Beside(post) for _ in range(200)]]
    made = [answer for answer in answers if answer.status_code == 201]
    (first,) = [answer for answer in made if "Idempotency-Replayed" not in answer.headers]
    assert {answer.data for answer in made} == {first.data}
    refused = [answer for answer in answers if answer not in made]
    assert {read_problem(answer) for answer in refused} <= {(409, "idempotency_key_busy")}
    assert all(answer.headers["Retry-After"] == "1" for answer in refused)
    assert count(house) == 1
    assert fetch(house, "SELECT count(*) FROM idempotency_keys") == [1]
    assert fetch(house, "SELECT count(*) FROM audit_events WHERE what = 'campaign.create'") == [1]


def test_a_request_that_is_killed_before_its_commit_left_nothing_and_is_carried_out_later(
    house, api, program, monkeypatch
):
    class KilledError(Exception):
        pass

    def kill(*_arguments, **_options):
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr("campaigns.store.users.idempotency.insert_answer", kill)
        assert read_problem(program.post("/campaigns", DRAFT, key="one")) == (500, "fault")
    assert count(house) == 0
    assert fetch(house, "SELECT count(*) FROM idempotency_keys") == [0]
    assert program.post("/campaigns", DRAFT, key="one").status_code == 201


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "two words"])
def test_a_key_that_is_none_is_refused(house, program, key):
    answer = program("POST", "/campaigns", DRAFT, headers={"Idempotency-Key": key})
    assert read_problem(answer) == (400, "idempotency_key_invalid")
