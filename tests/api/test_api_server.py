"""The API as the role of the console serves it: gunicorn with greenlets, and the limit in Valkey."""

from __future__ import annotations

import pytest
import requests

from campaigns.domain.users.rights import Role
from campaigns.domain.users.scopes import Scope
from campaigns.management.users.tokens import add_token
from campaigns.management.users.users import add_user
from campaigns.valkey import make_client
from tests.simulator.far_end import PATIENCE_SECONDS
from tests.support.actors import TESTER
from tests.support.console_role import run_console


@pytest.fixture
def secret(database):
    add_user(database, "maria", actor=TESTER, role=Role.VIEWER, password=None, time_zone="UTC")
    return add_token(database, "crm", owner="maria", scopes={Scope.CAMPAIGNS_READ}, days=1, actor=TESTER).secret


def test_the_role_of_the_console_serves_the_api_and_pages(project, database_url, valkey, secret):
    make_client(valkey.url, timeout_seconds=5).flushdb()
    with run_console(project, database_url, redis_url=valkey.url) as (url, _):
        options = {"headers": {"Authorization": f"Bearer {secret}"}, "timeout": PATIENCE_SECONDS}
        found = [requests.get(f"{url}/api/v1/me", **options) for _ in range(8)]
        assert [each.json()["user"]["name"] for each in found] == ["maria"] * 8
        left = [int(each.headers["RateLimit"].partition("r=")[2].partition(";")[0]) for each in found]
        assert left == list(range(599, 591, -1))  # both processes count together
        assert requests.get(f"{url}/api/v1/campaigns", **options).json() == {"items": [], "next": None}
        assert requests.post(f"{url}/api/v1/campaigns", json={}, **options).json()["code"] == "scope_missing"
        assert requests.get(f"{url}/api/v1/me", timeout=PATIENCE_SECONDS).status_code == 401
        assert requests.get(f"{url}/api", **options).json()["code"] == "not_found"
        assert "<form" in requests.get(f"{url}/login", timeout=PATIENCE_SECONDS).text
