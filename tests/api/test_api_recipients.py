"""The recipients of a campaign: lists as files, rows as JSON, and what became of them."""

from __future__ import annotations

import pytest

from campaigns.domain.users.rights import Role
from campaigns.management.files.work import do_next_job
from tests.api.conftest import read_problem
from tests.store.rows import fetch

LIST = "Celular,Nome\n+55 11 99999-0001,Ana\n+55 11 99999-0002,Bia\n123,Caio\n+55 11 99999-0001,Ana\n"
DRAFT = {"name": "Sale", "template": "promo:pt_BR", "accounts": ["sales"]}


@pytest.fixture
def path(house, program):
    return f"/campaigns/{program.ok('POST', '/campaigns', DRAFT)['id']}"


@pytest.fixture
def work(house):
    """Does what the role `files` does."""

    def do_all():
        while do_next_job(house, secret_key=None, overlap_days=7):
            pass

    return do_all


def put(program, path, data=LIST, query="?name=people.csv"):
    return program("PUT", f"{path}/recipients{query}", data=data, content_type="text/csv")


def read_people(database):
    return fetch(database, "SELECT phone || ' ' || variables[1] FROM messages ORDER BY phone")


def test_a_list_becomes_the_recipients_of_a_draft(house, api, program, path, work):
    answer = put(program, path)
    assert answer.status_code == 202
    assert (answer.json["status"], answer.json["replaces"], answer.json["recipient_count"]) == ("due", True, None)
    assert api.file_work_count == 1
    work()
    done = program.ok("GET", answer.headers["Location"].removeprefix("/api/v1"))
    assert (done["status"], done["phone_column"], done["reason"]) == ("done", "Celular", None)
    counts = ("recipient_count", "duplicate_count", "rejected_count", "replaced_count")
    assert [done[each] for each in counts] == [2, 1, 1, 0]
    assert program.ok("GET", path)["recipient_count"] == 2
    rows = program.ok("GET", f"{path}/import-errors")["items"]
    assert {(each["row_number"], each["column_name"]) for each in rows} == {(4, "Celular"), (5, "Celular")}
    put(program, path, "phone,name\n+5511999990003,Eva\n")
    work()
    assert read_people(house) == ["+5511999990003 Eva"]


def test_a_list_that_is_refused_says_why_and_changes_nothing(program, path, work):
    import_id = put(program, path, "nome\nAna\n").json["id"]
    work()
    done = program.ok("GET", f"/imports/{import_id}")
    assert (done["status"], done["recipient_count"]) == ("refused", None)
    assert done["reason"]["code"] == "phone_column_missing", done["reason"]
    assert program.ok("GET", path)["recipient_count"] == 0


def test_the_query_says_how_a_list_is_read(house, program, path, work):
    text = "Fone,Contato,1\n11 99999-0001,+351 912 345 678,Ana\n"
    answer = put(program, path, text, "?phone_column=Contato&region=pt")
    work()
    assert program.ok("GET", f"/imports/{answer.json['id']}")["status"] == "done"
    assert read_people(house) == ["+351912345678 Ana"]
    assert read_problem(put(program, path, text, "?region=XX")) == (422, "values_invalid")
    assert read_problem(put(program, path, text, "?hidden=perhaps")) == (422, "values_invalid")
    (error,) = put(program, path, text, "?colunm=Contato").json["errors"]
    assert (error["pointer"], error["code"]) == ("?colunm", "extra_forbidden")


def test_rows_are_added_and_a_bad_row_is_rejected_by_itself(house, api, program, path, work):
    rows = [
        {"phone": "(11) 99999-0001", "values": {"1": "Ana, de São Paulo"}},
        {"phone": "123", "values": {"1": "Bia"}},
        {"phone": "+5511999990003", "values": {"1": 'the "third"'}},
        {"phone": "+5511999990004"},
    ]
    answer = program.post(f"{path}/recipients", {"rows": rows}, key="one")
    assert answer.status_code == 202
    again = program.post(f"{path}/recipients", {"rows": rows}, key="one")
    assert (again.data, again.headers["Idempotency-Replayed"], api.file_work_count) == (answer.data, "true", 1)
    work()
    done = program.ok("GET", f"/imports/{answer.json['id']}")
    assert (done["status"], done["recipient_count"], done["rejected_count"]) == ("done", 2, 2), done
    assert read_people(house) == ["+5511999990001 Ana, de São Paulo", '+5511999990003 the "third"']
    rejected = program.ok("GET", f"{path}/import-errors?limit=1")
    assert (rejected["items"][0]["row_number"], rejected["items"][0]["column_name"]) == (3, "phone")
    assert program.ok("GET", f"{path}/import-errors?cursor={rejected['next']}")["items"][0]["row_number"] == 5
    program.post(f"{path}/recipients", {"rows": rows[:1]}, key="two")
    work()
    assert program.ok("GET", path)["recipient_count"] == 2


@pytest.mark.parametrize(
    "body",
    [
        {"rows": []},
        {"rows": [{"phone": "+5511999990001"}] * 1001},
        {"rows": [{"phone": 5511999990001}]},
        {"rows": [{"phone": "+5511999990001", "values": {"1": None}}]},
        {"rows": [{"phone": "+5511999990001", "value": {}}]},
    ],
)
def test_rows_that_are_not_valid_are_refused_before_they_are_stored(house, program, path, body):
    assert program.problem("POST", f"{path}/recipients", body) == (422, "values_invalid")
    assert fetch(house, "SELECT count(*) FROM uploads") == [0]


def test_a_thousand_rows_are_taken_at_once(program, path, work):
    rows = [{"phone": f"+55119{99990000 + number}", "values": {"1": "x" * 1000}} for number in range(1000)]
    answer = program.post(f"{path}/recipients", {"rows": rows})
    assert answer.status_code == 202
    work()
    assert program.ok("GET", f"/imports/{answer.json['id']}")["recipient_count"] == 1000


def test_a_list_that_is_too_large_or_empty_is_refused(make_api_with, house, path):
    program = make_api_with(upload_mb=1).program()
    assert read_problem(put(program, path, "x" * 1_000_001)) == (413, "upload_too_large")
    assert read_problem(put(program, path, "")) == (422, "upload_empty")
    assert fetch(house, "SELECT count(*) FROM uploads") == [0]


def test_a_planner_adds_people_to_drafts_only(api, make_draft, program, path):
    planner, started = api.program(Role.PLANNER), make_draft()
    program.ok("POST", f"/campaigns/{started}:start")
    rows = {"rows": [{"phone": "+5511999990009", "values": {"1": "Eva"}}]}
    assert planner.problem("POST", f"/campaigns/{started}/recipients", rows) == (403, "right_missing")
    assert read_problem(put(planner, f"/campaigns/{started}")) == (403, "right_missing")
    assert planner("POST", f"{path}/recipients", rows).status_code == 202
    assert planner.problem("GET", f"{path}/import-errors") == (403, "scope_missing")


def test_a_campaign_whose_list_is_still_read_does_not_start(program, path):
    put(program, path)
    assert program.problem("POST", f"{path}:start") == (409, "list_still_read")


@pytest.mark.parametrize("where", ["/imports/7", "/campaigns/7/import-errors"])
def test_what_is_not_there_is_not_found(program, where):
    assert program.problem("GET", where)[0] == 404


def test_another_kind_of_work_is_no_import(house, program, path):
    put(program, path)
    fetch(house, "UPDATE file_jobs SET kind = 'look'")
    assert program.problem("GET", "/imports/1") == (404, "job_missing")
