"""All processes, with pywa's server as the program that gets the webhooks too."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests
from flask import Flask, request
from harness import APP_SECRET, Flow, wait_for
from pywa import WhatsApp, types
from werkzeug.serving import make_server

from campaigns.management.forwards.send import sign_body
from tests.support.serving import serving

SALES, SUPPORT = "1065000001", "1065000002"
OTHER_SECRET = "another app"


@dataclass
class Chat:
    """A program made with pywa: what its handlers were called with, by phone number id, and the bodies that came."""

    url: str = ""
    texts: list[tuple[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    may_answer: threading.Event = field(default_factory=threading.Event)

    def read(self, number: str) -> list[str]:
        return [text for each, text in self.texts if each == number]


@pytest.fixture
def chat() -> Iterator[Chat]:
    """pywa verifies the signature of each webhook, and answers 401 or 403 to one that does not fit."""
    chat, server = Chat(), Flask("chat")
    chat.may_answer.set()

    @server.before_request
    def keep() -> None:
        chat.may_answer.wait(60)
        chat.bodies.append(request.get_data())

    @server.after_request
    def note(answer: Any) -> Any:
        chat.statuses.append(answer.status_code)
        return answer

    # `filter_updates` False: pywa takes the webhooks of all numbers of the app.
    whatsapp = WhatsApp(
        server=server,
        token="x",
        verify_token="y",
        app_secret=APP_SECRET,
        filter_updates=False,
        skip_duplicate_updates=False,
    )

    @whatsapp.on_message
    def take(_: WhatsApp, message: types.Message) -> None:
        chat.texts.append((message.metadata.phone_number_id, message.text or ""))

    with serving(make_server("127.0.0.1", 0, server, threaded=True)) as listening:
        chat.url = f"http://127.0.0.1:{listening.server_port}/"
        yield chat


def make_change(text: str, number: str, at: int) -> dict[str, Any]:
    message = {
        "from": "5511987650001",
        "from_user_id": "BR.1",
        "id": f"wamid.{text}",
        "timestamp": str(at),
        "type": "text",
        "text": {"body": text},
    }
    return {
        "value": {
            "messaging_product": "whatsapp",
            "metadata": {"display_phone_number": "551130000000", "phone_number_id": number},
            "contacts": [{"profile": {"name": "Ana"}, "wa_id": "5511987650001", "user_id": "BR.1"}],
            "messages": [message],
        },
        "field": "messages",
    }


def write_body(*changes: dict[str, Any]) -> bytes:
    """A body as Meta writes it, which a JSON encoder of Python does not reproduce: slashes are escaped."""
    content = {"object": "whatsapp_business_account", "entry": [{"id": "22", "changes": list(changes)}]}
    return json.dumps(content, separators=(",", ":")).replace("/", "\\/").encode()


def post(flow: Flow, body: bytes) -> None:
    headers = {"X-Hub-Signature-256": sign_body(body, APP_SECRET)}
    answer = requests.post(f"{flow.stack.webhooks_url}/webhooks/whatsapp", data=body, headers=headers, timeout=60)
    assert answer.status_code == 200, answer.text


def test_a_chat_gets_its_webhooks_while_events_is_killed_and_another_target_is_dead(flow: Flow, chat: Chat) -> None:
    flow.start("webhooks", "events", "beat", egress_networks="127.0.0.0/8", tick_seconds=1)
    flow.await_ready()
    now = int(flow.server_time())
    for words in (
        ("add", "http://127.0.0.1:9/"),  # nobody listens
        ("add", chat.url, "--numbers", SALES),
        ("test", "2"),
    ):
        done = flow.run_command("revoada", "forward", *words)
        assert done.returncode == 0, done.stderr
    chat.bodies.clear()

    plain = write_body(make_change("Olá http://x", SALES, now))
    post(flow, plain)
    wait_for(lambda: chat.read(SALES) == ["Olá http://x"], "the chat has got the first message")
    assert chat.bodies == [plain]
    mixed = write_body(make_change("for others", SUPPORT, now), make_change("mixed", SALES, now))
    post(flow, mixed)
    wait_for(lambda: chat.read(SALES)[1:] == ["mixed"], "the chat has got its part of the second one")
    assert len(chat.bodies[1]) < len(mixed)

    chat.may_answer.clear()
    texts = [f"text {i}" for i in range(50)]
    for text in texts:
        post(flow, write_body(make_change(text, SALES, now)))
    wait_for(
        lambda: flow.query("SELECT FROM forwards WHERE id = 2 AND leased_until > now()"), "the chat is being sent to"
    )
    flow.role("events").kill()
    flow.forget_role("events")
    flow.execute("UPDATE forwards SET leased_until = now() WHERE leased_until > now()")  # 60 seconds are over
    chat.may_answer.set()
    flow.start("events2")
    wait_for(lambda: set(texts) <= set(chat.read(SALES)), "the chat has got the rest")
    wait_for(lambda: not flow.query("SELECT FROM forward_bodies WHERE forward_id = 2"), "nothing waits for the chat")
    # What was under way when the process was killed may come twice.
    got = list(dict.fromkeys(chat.read(SALES)[2:]))
    assert got == texts
    assert chat.read(SUPPORT) == []
    assert set(chat.statuses) == {200}

    # The dead target has lost nothing, and the webhooks were applied.
    wait_for(lambda: not flow.query("SELECT FROM webhook_events WHERE status = 'stored'"), "all webhooks are applied")
    ((waiting, is_failing),) = flow.query(
        "SELECT (SELECT count(*) FROM forward_bodies WHERE forward_id = 1), failing_since IS NOT NULL FROM forwards"
        " WHERE id = 1"
    )
    assert (waiting, is_failing) == (len(texts) + 2, True)


def test_pywa_refuses_another_secret(chat: Chat) -> None:
    body = write_body(make_change("forged", SALES, 1))
    for headers, status in (({"X-Hub-Signature-256": sign_body(body, OTHER_SECRET)}, 403), ({}, 401)):
        assert requests.post(chat.url, data=body, headers=headers, timeout=60).status_code == status
    assert chat.texts == []
