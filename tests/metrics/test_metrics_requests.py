"""What the console counts of requests, logins and streams. No label has an id, whatever path a client asks for."""

import pytest

from campaigns.config import Settings
from campaigns.metrics.counts import Counts
from campaigns.metrics.requests import find_route
from campaigns.metrics.table import OTHER
from campaigns.secrets import make_key
from tests.api.conftest import Api
from tests.console.conftest import Console


@pytest.fixture
def settings():
    return Settings(secret_key=make_key())


@pytest.fixture
def fresh(monkeypatch):
    """Counts that no other test has changed."""
    fresh = Counts()
    for place in ("campaigns.metrics.requests", "console.live", "console.pages.login"):
        monkeypatch.setattr(f"{place}.counts", fresh)
    return fresh


def test_a_path_is_counted_under_its_first_word():
    assert find_route("/") == ("page", "now")
    assert find_route("/campaigns/7/recipients") == ("page", "campaigns")
    assert find_route("/audit.csv") == ("page", "audit")
    assert find_route("/static/console.css") == ("static", "static")
    assert find_route("/api/v1/campaigns/7") == ("api", "campaigns")
    assert find_route("/api/v1/people:find") == ("api", "people")
    assert find_route("/wp-login.php") == ("page", OTHER)
    for path in ("/api", "/api/", "/api/v1", "/api/v1/nothing/7"):
        assert find_route(path) == ("api", OTHER)


def test_each_path_that_exists_has_a_word(database, settings):
    api = Api(database, settings)
    paths = [rule.rule for rule in api.console.url_map.iter_rules()]
    paths += [f"/api{rule.rule}" for rule in api.app.url_map.iter_rules()]
    assert [path for path in paths if find_route(path)[1] == OTHER] == []  # else add the word to the table of metrics


def test_logins_are_counted_by_their_outcome(database, settings, fresh):
    console = Console(database, settings)
    console.sign_in(name="maria")
    for _ in range(5):
        console.browser().log_in("maria", "wrong")
    console.browser().log_in("maria", "wrong")  # the limit of one minute
    console.sign_in(name="ana")
    found = fresh.read()
    assert found["revoada_logins_total", ("signed_in",)] == 2
    assert found["revoada_logins_total", ("wrong",)] == 5
    assert found["revoada_logins_total", ("limited",)] == 1
    assert found["revoada_http_requests_total", ("page", "login", "4xx")] == 6


def test_a_stream_is_a_viewer_until_it_ends(database, settings, fresh):
    hub = Console(database, settings).app.extensions["revoada.hub"]
    with hub.watch([], "a session"):
        assert fresh.read()["revoada_live_viewers", ()] == 1
    assert fresh.read()["revoada_live_viewers", ()] == 0
