"""Health of a number, and the templates of a WABA."""

import pytest
import requests
from far_end import NUMBER, PATIENCE_SECONDS, WABA

from simulator.config import APP

FIELDS = (
    "id,display_phone_number,verified_name,status,quality_rating,quality_score,throughput,platform_type,name_status,"
    "code_verification_status,account_mode,whatsapp_business_manager_messaging_limit,health_status"
)


def health(far, **query):
    return far.get(f"/v24.0/{NUMBER}", **{"fields": FIELDS, **query})


def test_health_has_the_fields_that_were_asked_for(far):
    body = health(far).json()
    assert set(body) == set(FIELDS.split(","))
    assert body["health_status"]["can_send_message"] == "AVAILABLE"
    assert health(far, fields="status").json() == {"status": "CONNECTED", "id": NUMBER}


@pytest.mark.parametrize("quality", ["GREEN", "YELLOW", "RED", "UNKNOWN"])
def test_quality_is_scripted_per_account(far, quality):
    far.script(accounts={NUMBER: {"health": quality}})
    assert health(far).json()["quality_rating"] == quality
    assert far.get("/v24.0/1", fields="quality_rating").json()["quality_rating"] == "GREEN"


def test_quality_can_change_with_time(far):
    far.script(accounts={NUMBER: {"health": ["YELLOW*2", "GREEN"]}})
    assert [health(far).json()["quality_rating"] for _ in range(3)] == ["YELLOW", "YELLOW", "GREEN"]


def test_fields_of_health_can_be_replaced(far):
    far.script(accounts={NUMBER: {"health_fields": {"status": "FLAGGED", "throughput": {"level": "HIGH"}}}})
    assert health(far, fields="status,throughput").json()["throughput"] == {"level": "HIGH"}


@pytest.mark.parametrize(("script", "status", "code"), [("400", 400, 100), ("error:190", 401, 190)])
def test_health_can_fail(far, script, status, code):
    far.script(accounts={NUMBER: {"health": script}})
    assert (health(far).status_code, health(far).json()["error"]["code"]) == (status, code)


def test_health_can_refuse_a_field(far):
    far.script(accounts={NUMBER: {"health": "unknown-field"}})
    assert health(far).json()["error"]["message"] == "(#100) Tried accessing nonexisting field (health_status)"


def test_a_field_that_does_not_exist_is_refused(far):
    assert health(far, fields="id,charisma").status_code == 400


def test_health_can_hang(far):
    far.script(accounts={NUMBER: {"health": "hang"}})
    with pytest.raises(requests.ReadTimeout):
        far.session.get(f"{far.url}/v24.0/{NUMBER}", timeout=(PATIENCE_SECONDS, 0.2))
    assert far.send().status_code == 200


def test_health_can_be_html(far):
    far.script(accounts={NUMBER: {"health": "html"}})
    assert (health(far).status_code, health(far).headers["Content-Type"]) == (502, "text/html; charset=utf-8")


def test_health_needs_a_token_and_is_counted(far):
    health(far)
    del far.session.headers["Authorization"]
    assert health(far).status_code == 401
    assert health(far, access_token="x").status_code == 200
    assert far.stats()["health_requests"] == 2
    assert far.stats()["accounts"][NUMBER]["health_requests"] == 2


def test_templates_come_in_pages(far):
    far.script(templates=[{"name": f"t{index}", "language": "de", "body": "Hallo {{1}}"} for index in range(5)])
    page = far.get(f"/v24.0/{WABA}/message_templates", limit=2).json()
    names = [template["name"] for template in page["data"]]
    while "next" in page["paging"]:
        page = far.session.get(page["paging"]["next"], timeout=PATIENCE_SECONDS).json()
        names += [template["name"] for template in page["data"]]
    assert names == ["t0", "t1", "t2", "t3", "t4"]
    assert page["data"][0]["components"] == [{"type": "BODY", "text": "Hallo {{1}}"}]
    assert page["data"][0]["parameter_format"] == "POSITIONAL"


def test_a_cursor_leads_to_the_next_page(far):
    far.script(templates=[{"name": "a"}, {"name": "b"}])
    page = far.get(f"/{WABA}/message_templates", limit=1).json()
    after = page["paging"]["cursors"]["after"]
    assert far.get(f"/{WABA}/message_templates", limit=1, after=after).json()["data"][0]["name"] == "b"


def test_templates_are_filtered(far):
    far.script(
        templates=[
            {"name": "a", "language": "de"},
            {"name": "a", "language": "pt_BR"},
            {"name": "b", "language": "de"},
            {"name": "a", "language": "de", "waba_id": "7"},
        ]
    )
    listed = far.get(f"/v24.0/{WABA}/message_templates", name="a", language="de").json()["data"]
    assert [(template["name"], template["language"]) for template in listed] == [("a", "de")]
    assert len({template["id"] for template in far.get("/v24.0/7/message_templates").json()["data"]}) == 4


def test_no_templates_is_an_empty_page(far):
    assert far.get(f"/v24.0/{WABA}/message_templates").json() == {"data": []}


def test_a_wrong_cursor_is_131059(far):
    assert far.get(f"/v24.0/{WABA}/message_templates", after="§").json()["error"]["code"] == 131059


def token(far, **query):
    return far.get("/v24.0/debug_token", **{"input_token": "token-1", **query})


def test_a_token_is_described(far):
    data = token(far).json()["data"]
    assert (data["is_valid"], data["expires_at"], data["type"]) == (True, 0, "SYSTEM_USER")
    assert data["scopes"] == ["whatsapp_business_management", "whatsapp_business_messaging"]


def test_a_token_that_is_not_known_is_not_valid(far):
    far.script(tokens=["token-1"])
    data = token(far, input_token="token-2").json()["data"]
    assert (data["is_valid"], data["scopes"], data["error"]["code"]) == (False, [], 190)


def test_the_answer_about_a_token_is_scripted(far):
    far.script(token_fields={"scopes": [], "expires_at": 7})
    assert token(far).json()["data"]["scopes"] == []
    assert token(far, input_token="").status_code == 400


def test_the_apps_of_a_waba_are_scripted(far):
    (app,) = far.get(f"/v24.0/{WABA}/subscribed_apps").json()["data"]
    assert app["whatsapp_business_api_data"]["id"] == token(far).json()["data"]["app_id"]
    far.script(subscribed_app_ids=[])
    assert far.get(f"/v24.0/{WABA}/subscribed_apps").json() == {"data": []}


def webhooks(far, token=f"{APP}|s3cret", app=APP):
    far.session.headers["Authorization"] = f"Bearer {token}"
    return far.get(f"/v24.0/{app}/subscriptions")


def test_the_app_may_read_its_webhooks(far):
    far.script(tokens=["token-1"], webhooks={"app_secret": "s3cret", "callback_url": "http://127.0.0.1:9/hook"})
    (webhook,) = webhooks(far).json()["data"]
    assert (webhook["object"], webhook["callback_url"]) == ("whatsapp_business_account", "http://127.0.0.1:9/hook")
    assert webhook["active"] is True
    assert {"name": "messages", "version": "v24.0"} in webhook["fields"]
    far.script(app_webhook_fields={"active": False})
    assert webhooks(far).json()["data"][0]["active"] is False


@pytest.mark.parametrize(
    ("token", "app", "code"),
    [("token-1", APP, 15), (f"{APP}|", APP, 15), (f"{APP}|other", APP, 190), ("7|s3cret", APP, 190), (None, "7", 190)],
)
def test_another_token_may_not_read_the_webhooks_of_the_app(far, token, app, code):
    far.script(webhooks={"app_secret": "s3cret"})
    assert webhooks(far, token or f"{APP}|s3cret", app).json()["error"]["code"] == code


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("debug_token", "debug_token"),
        ("subscribed_apps", f"{WABA}/subscribed_apps"),
        ("app_webhooks", f"{APP}/subscriptions"),
    ],
)
def test_reads_of_the_setup_fail_as_scripted(far, key, path):
    far.session.headers["Authorization"] = f"Bearer {APP}|s3cret"
    for script, status in ((["error:190*1", "html*1"], (401, 502, 200)), ("error:100", (400,) * 3)):
        far.script(**{key: script})
        assert tuple(far.get(f"/v24.0/{path}", input_token="x").status_code for _ in range(3)) == status
    far.script(**{key: "hang"})
    with pytest.raises(requests.ReadTimeout):
        far.session.get(f"{far.url}/v24.0/{path}", params={"input_token": "x"}, timeout=(PATIENCE_SECONDS, 0.2))
