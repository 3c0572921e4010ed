"""Forwards by the API, which only shows them."""

from __future__ import annotations

from campaigns.domain.users.rights import Role
from campaigns.domain.users.scopes import Scope
from campaigns.store.forwards.forwards import insert_forward
from tests.api.test_api_lists import collect
from tests.store.rows import fetch

URL = "https://chat.example.com/hook/geheim?phone=551130000000"


def test_a_forward_is_shown_without_the_secret_parts_of_its_address(api, program, database):
    sealed = b"sealed"
    database.run(insert_forward, URL, fields=["messages"], phone_number_ids=["1065"], secret=sealed)
    fetch(
        database,
        "INSERT INTO forward_bodies (forward_id, inbox_id, received_at, phone_number_ids, next_try_at, body)"
        " SELECT 1, n, '2026-10-01T12:00Z', '{1065}', now(), '{}' FROM generate_series(1, 37) n RETURNING 1",
    )
    fetch(database, "UPDATE forwards SET failing_since = '2026-10-01T12:05Z', last_error = 'HTTP 502' RETURNING 1")
    (found,) = program.ok("GET", "/forwards")["items"]
    assert found.pop("created_at")
    assert found == {
        "id": "1", "host": "chat.example.com", "fields": ["messages"], "phone_number_ids": ["1065"],
        "disabled_at": None, "failing_since": "2026-10-01T12:05:00Z", "last_error": "HTTP 502", "delivered_at": None,
        "delivered_count": 0, "waiting_count": 37, "waits_since": "2026-10-01T12:00:00Z", "given_up_count": 0,
    }  # fmt: skip
    for role, scopes in ((Role.ADMIN, {Scope.SYSTEM_READ}), (Role.OPERATOR, None)):
        assert api.program(role, scopes).problem("GET", "/forwards") == (403, "scope_missing")


def test_forwards_are_listed_page_by_page(program, database):
    for _ in range(3):
        database.run(insert_forward, URL, fields=[], phone_number_ids=[], secret=None)
    assert [each["id"] for each in collect(program, "/forwards?limit=1")] == ["1", "2", "3"]
