from __future__ import annotations

import datetime as dt

import pytest

from campaigns.broker.queues import QUEUES
from campaigns.doctor.setup_checks import (
    NEEDED_FIELDS,
    SCOPES,
    USEFUL_FIELDS,
    State,
    judge_app,
    judge_number,
    judge_processes,
    judge_subscription,
    judge_template,
    judge_token,
    read_app_id,
)

NOW = dt.datetime(2026, 11, 27, 12, tzinfo=dt.UTC)
DAY = 86_400
GOOD = {"is_valid": True, "expires_at": 0, "scopes": list(SCOPES), "app_id": "7"}
NUMBER = {
    "status": "CONNECTED",
    "platform_type": "CLOUD_API",
    "code_verification_status": "VERIFIED",
    "name_status": "APPROVED",
}


def states(checks):
    return {check.name: check.state for check in checks}


def token(**changes):
    return judge_token("account sales", {"data": GOOD | changes}, waba_id="22", now=NOW)


def test_a_good_token_has_both_permissions_and_no_end():
    assert states(token()) == {"token": State.OK, "permissions": State.OK}


@pytest.mark.parametrize("scope", SCOPES)
def test_a_permission_that_lacks_is_named(scope):
    _, permissions = token(scopes=[each for each in SCOPES if each != scope])
    assert (permissions.state, str(permissions.text)) == (State.MISSING, f"lacks {scope}")
    assert "System users" in str(permissions.advice)


@pytest.mark.parametrize(
    ("expires_at", "state"),
    [
        (0, State.OK),
        (int(NOW.timestamp()) + 8 * DAY, State.OK),
        (int(NOW.timestamp()) + 6 * DAY, State.UNKNOWN),
        (int(NOW.timestamp()) - 1, State.MISSING),
        (None, State.OK),
        ("soon", State.OK),
        (10**30, State.OK),
        (-5, State.OK),
    ],
)
def test_the_end_of_a_token_is_told(expires_at, state):
    assert states(token(expires_at=expires_at))["token"] is state


def test_a_token_that_is_not_valid_is_missing():
    assert states(token(is_valid=False)) == {"token": State.MISSING}


def test_a_permission_for_another_waba_is_missing():
    granular = [{"scope": SCOPES[0], "target_ids": ["1"]}, {"scope": SCOPES[1], "target_ids": ["22"]}, {"scope": "x"}]
    _, permissions = token(granular_scopes=granular)
    assert (permissions.state, str(permissions.text)) == (State.MISSING, f"{SCOPES[0]} not for WABA 22")
    assert states(token(granular_scopes=[{"scope": scope} for scope in SCOPES]))["permissions"] is State.OK


@pytest.mark.parametrize("answer", [{}, {"data": None}, {"data": []}, {"data": {}}, {"data": {"is_valid": "yes"}}])
def test_an_answer_about_a_token_that_says_nothing_is_no_verdict(answer):
    assert states(judge_token("a", answer, waba_id="22", now=NOW)) == {"token": State.UNKNOWN}
    assert read_app_id(answer) is None


@pytest.mark.parametrize("scopes", [None, "all", {}, [None, 1]])
def test_strange_scopes_are_no_permission(scopes):
    assert states(token(scopes=scopes, granular_scopes="all"))["permissions"] is State.MISSING


def test_a_registered_number_is_ready():
    assert set(states(judge_number("a", NUMBER)).values()) == {State.OK}


@pytest.mark.parametrize(
    ("field", "word", "name", "state"),
    [
        ("status", "PENDING", "number", State.MISSING),
        ("status", "BANNED", "number", State.MISSING),
        ("status", "NEW_WORD", "number", State.MISSING),
        ("status", None, "number", State.UNKNOWN),
        ("platform_type", "NOT_APPLICABLE", "registration", State.MISSING),
        ("platform_type", "ON_PREMISE", "registration", State.MISSING),
        ("code_verification_status", "NOT_VERIFIED", "verification", State.MISSING),
        ("code_verification_status", "EXPIRED", "verification", State.UNKNOWN),
        ("name_status", "DECLINED", "display name", State.MISSING),
        ("name_status", "PENDING_REVIEW", "display name", State.UNKNOWN),
        ("name_status", 7, "display name", State.UNKNOWN),
    ],
)
def test_each_field_of_a_number_is_judged_alone(field, word, name, state):
    found = states(judge_number("a", NUMBER | {field: word}))
    assert found.pop(name) is state
    assert set(found.values()) == {State.OK}


def subscription(*ids, app_id="7"):
    listed = [{"whatsapp_business_api_data": {"id": each}} for each in ids]
    return judge_subscription("a", {"data": listed}, app_id=app_id).state


def test_the_tokens_own_app_must_be_subscribed():
    assert subscription("7") is subscription("8", "7") is State.OK
    assert subscription("8") is State.MISSING
    assert subscription() is State.MISSING
    assert subscription("8", app_id=None) is State.OK


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ({}, State.UNKNOWN),
        ({"data": {}}, State.UNKNOWN),
        ({"data": [None, {}, {"whatsapp_business_api_data": 3}]}, State.MISSING),
    ],
)
def test_a_strange_list_of_apps_is_no_subscription(answer, state):
    assert judge_subscription("a", answer, app_id="7").state is state


@pytest.mark.parametrize(
    ("status", "state"), [("APPROVED", State.OK), ("PAUSED", State.MISSING), (None, State.MISSING)]
)
def test_only_an_approved_template_is_there(status, state):
    assert judge_template("a", "template promo:en", status, waba_id="22").state is state


def test_each_queue_needs_a_worker_and_something_must_tick():
    queues = {queue: {"worker@here"} for queue in QUEUES}
    assert set(states(judge_processes(queues, {"celerybeat@here"})).values()) == {State.OK}
    found = states(judge_processes(queues | {"health": set()}, set()))
    assert {str(name) for name, state in found.items() if state is State.MISSING} == {"queue health", "beat"}


def test_the_role_for_files_may_be_missing_because_only_the_console_needs_it():
    queues = {queue: {"worker@here"} for queue in QUEUES if queue != "files"}
    assert set(states(judge_processes(queues, {"celerybeat@here"})).values()) == {State.OK}


def test_whatever_is_missing_says_what_to_do():
    checks = [
        *judge_processes({}, set()),
        *judge_number("a", {}),
        *token(is_valid=False),
        *token(scopes=[]),
        judge_subscription("a", {"data": []}, app_id=None),
        judge_template("a", "t", None, waba_id="22"),
    ]
    assert all(str(check.advice).endswith((".", ").")) for check in checks if check.state is State.MISSING)


HOOK = "https://hooks.example.com/webhooks/whatsapp"
WEBHOOK = {
    "object": "whatsapp_business_account",
    "callback_url": HOOK,
    "active": True,
    "fields": [{"name": field, "version": "v24.0"} for field in (*NEEDED_FIELDS, *USEFUL_FIELDS)],
}


def app(*, url=HOOK, **changes):
    return judge_app("app 7", {"data": [{"object": "page"}, WEBHOOK | changes]}, url=url)


@pytest.mark.parametrize(("url", "state"), [(HOOK, State.OK), (None, State.UNKNOWN)])
def test_an_app_that_posts_all_fields_to_us_is_ready(url, state):
    """Without our address, a callback URL may be anybody's."""
    assert states(app(url=url)) == {"callback URL": state, "fields": State.OK}
    assert states(app(fields=[*NEEDED_FIELDS, *USEFUL_FIELDS]))["fields"] is State.OK


@pytest.mark.parametrize(
    ("changes", "name", "state", "text"),
    [
        ({"active": False}, "callback URL", State.MISSING, f"{HOOK} is not active"),
        ({"active": "yes"}, "callback URL", State.MISSING, f"{HOOK} is not active"),
        ({"callback_url": "https://old"}, "callback URL", State.MISSING, f"Meta posts to https://old, not to {HOOK}"),
        ({"callback_url": None}, "callback URL", State.MISSING, "Meta posts to no address"),
        ({"callback_url": ""}, "callback URL", State.MISSING, "Meta posts to no address"),
        ({"fields": ["messages"]}, "fields", State.MISSING, f"not subscribed to {', '.join(NEEDED_FIELDS[1:])}"),
        ({"fields": None}, "fields", State.MISSING, f"not subscribed to {', '.join(NEEDED_FIELDS)}"),
        ({"fields": [None, 1, {}]}, "fields", State.MISSING, f"not subscribed to {', '.join(NEEDED_FIELDS)}"),
        (
            {"fields": [*NEEDED_FIELDS]},
            "fields",
            State.UNKNOWN,
            f"not subscribed to {', '.join(USEFUL_FIELDS)}: useful",
        ),
    ],
)
def test_what_an_app_lacks_is_named(changes, name, state, text):
    (check,) = [check for check in app(**changes) if check.name == name]
    assert (check.state, str(check.text)) == (state, text)
    assert check.advice


@pytest.mark.parametrize(
    ("answer", "state"),
    [({"data": [{"object": "page"}, None]}, State.MISSING), ({"data": []}, State.MISSING), ({}, State.UNKNOWN)],
)
def test_an_app_without_a_webhook_is_named(answer, state):
    assert states(judge_app("app 7", answer, url=HOOK)) == {"callback URL": state}
