"""The committed description of the API is the one that the code makes, and it only grows."""

from __future__ import annotations

import json
import os
import re
import subprocess
from copy import deepcopy

import pytest

from api import context
from api.app import make_api
from api.problems import OWN
from campaigns.config import Settings
from campaigns.domain.statement import Kind, Refusal
from tests.api.additions import find_breaks
from tests.golden.gather import compare_section
from tests.project.sources import list_statements

FILE = "api/openapi.json"


@pytest.fixture(scope="module")
def spec():
    parts = context.Parts(Settings(), *[None] * 6)
    app = make_api(parts)
    with app.app_context():
        return json.loads(json.dumps(app.spec))


def test_the_committed_description_is_that_of_the_code(project, spec):
    text = json.dumps(spec, indent=1, ensure_ascii=False) + "\n"
    if os.environ.get("WRITE_GOLDEN"):
        (project / FILE).write_text(text, "utf-8")
    assert (project / FILE).read_text("utf-8") == text, "the API has changed; if it should: make golden"


def ask_git(project, *words):
    """What git prints; "" if it refuses."""
    done = subprocess.run(["git", *words], cwd=project, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def list_earlier(project):
    """The descriptions of the last release, and of the commit where this branch begins or, on main, of the one before.

    A branch may change what it has added itself.
    """
    tags = ask_git(project, "tag", "--list", "v*", "--sort=-v:refname").split()
    base, head = ask_git(project, "merge-base", "main", "HEAD"), ask_git(project, "rev-parse", "HEAD")
    for place in (*tags[:1], base if base not in {"", head} else "HEAD~1"):
        if text := ask_git(project, "show", f"{place}:{FILE}"):
            yield json.loads(text)


def test_the_description_only_grows(project, spec):
    for earlier in list_earlier(project):
        assert find_breaks(earlier, spec) == []


def remove_path(spec):
    del spec["paths"]["/me"]


def remove_member(spec):
    del spec["components"]["schemas"]["Campaign"]["properties"]["window"]


def demand_member(spec):
    spec["components"]["schemas"]["Draft"]["required"].append("window")


def drop_promise(spec):
    spec["components"]["schemas"]["Campaign"]["required"].remove("id")


def remove_value(spec):
    spec["components"]["schemas"]["CampaignStatus"]["enum"].remove("paused")


def narrow(spec):
    spec["components"]["schemas"]["Draft"]["properties"]["name"]["maxLength"] = 3


def demand_parameter(spec):
    spec["paths"]["/campaigns"]["post"]["parameters"][0]["required"] = True


def demand_scope(spec):
    spec["paths"]["/me"]["get"]["security"] = [{"token": ["audit:read"]}]


@pytest.mark.parametrize(
    "change",
    [remove_path, remove_member, demand_member, drop_promise, remove_value, narrow, demand_parameter, demand_scope],
)
def test_what_a_program_could_miss_is_found(spec, change):
    changed = deepcopy(spec)
    change(changed)
    assert len(find_breaks(spec, changed)) == 1


def test_additions_are_allowed(spec):
    changed = deepcopy(spec)
    changed["paths"]["/new"] = {}
    changed["components"]["schemas"]["Campaign"]["properties"]["new"] = {"type": "string"}
    changed["components"]["schemas"]["Draft"]["properties"]["new"] = {"type": "string"}
    changed["components"]["schemas"]["CampaignStatus"]["enum"].append("new")
    assert find_breaks(spec, changed) == []


def test_the_headers_that_are_described_are_sent(spec, house, program):
    made = program.post("/campaigns", {"name": "Sale", "template": "promo:pt_BR"}, key="one")
    again = program.post("/campaigns", {"name": "Sale", "template": "promo:pt_BR"}, key="one")
    first = program("GET", "/audit?limit=1")
    for answer, operation in ((again, "/campaigns post 201"), (first, "/audit get 200")):
        path, method, status = operation.split()
        described = spec["paths"][path][method]["responses"][status]["headers"]
        assert set(described) <= set(answer.headers.keys()), operation
    assert made.headers["ETag"] == program("GET", f"/campaigns/{made.json['id']}").headers["ETag"]


def test_the_page_shows_each_operation_and_loads_nothing(spec, api):
    answer = api.stranger()("GET", "/docs", root="/api/v1")
    page = answer.text
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    for path, operations in spec["paths"].items():
        for method in operations:
            assert f"<code>{method.upper()} {path}</code>" in page
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(re.findall(r'id="([^"]+)"', page))
    assert not re.search(r"<(script|style|link|img)|\bon\w+=|None|Undefined", page)


def test_each_reference_leads_to_a_schema(spec):
    named = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(spec)))
    assert named <= set(spec["components"]["schemas"])
    assert all(
        re.fullmatch(r"[a-z_]+", each["operationId"]) for path in spec["paths"].values() for each in path.values()
    )


# What makes a refusal in the code. The commands have refusals of their own.
REFUSALS = {"Refusal", "RecipientsError", "TemplateError", "conflict"}


def gather_problems(project):
    """The problems of the API itself, and the refusals of use cases, as a table with an anchor for each code."""
    rows = {code: (status, text) for code, (status, text) in OWN.items()}
    for made in list_statements(project):
        if made.maker in REFUSALS and re.fullmatch("[a-z_]+", made.code) and made.kind in set(Kind):
            status = Refusal(made.code, "", kind=Kind(made.kind)).http_status
            rows.setdefault(made.code, (status, " / ".join(made.texts)))
    for command in ("start", "pause", "resume", "cancel"):
        rows[f"cannot_{command}"] = (409, "Campaign {id} ({name}) is {status}: {cannot}. {instead}")
    lines = ["| code | status | text |", "|---|---|---|"]
    for code in sorted(rows):
        status, text = rows[code]
        lines.append(f'| <a id="{code}"></a>`{code}` | {status} | {text.replace("|", chr(92) + "|")} |')
    return "\n".join(lines) + "\n"


def test_each_problem_is_in_the_document(project):
    compare_section(project / "docs" / "api.md", "problems", gather_problems(project))
