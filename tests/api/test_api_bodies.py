"""Bodies of any content: they are refused or they work, and nothing fails."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.conftest import read_problem
from tests.api.test_api_access import list_routes

TEXT = st.text(alphabet=st.characters(codec=None), max_size=8)  # also single surrogates and NUL
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def members(project):
    """The names of the members of all bodies, so that some bodies have known members."""
    spec = json.loads((project / "api/openapi.json").read_text())
    return sorted({name for each in spec["components"]["schemas"].values() for name in each.get("properties", ())})


@pytest.fixture
def routes(api, make_draft):
    """Each route that may take a body, with the id of a draft. Nobody listens in place of Meta."""
    make_draft()
    return [(method, path) for method, path, _ in list_routes(api.app) if method in {"POST", "PUT", "PATCH"}]


@given(data=st.data())
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_body_of_any_content_fails_nothing(program, routes, members, data):
    method, path = data.draw(st.sampled_from(routes))
    known = st.dictionaries(st.sampled_from(members), JSON, max_size=4)
    is_json = data.draw(st.booleans())
    body = json.dumps(data.draw(JSON | known)) if is_json else data.draw(st.binary(max_size=40))
    kind = data.draw(st.sampled_from(["application/json", "application/json", "text/csv", "x"]))
    answer = program(method, path, data=body, content_type=kind, headers={"If-Match": "*"})
    if answer.status_code >= 400:
        assert read_problem(answer)[0] < 500
