"""The parts of an inbound message, in each of its forms, that are searched for a refusal."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.domain.optout.recognition import Source
from tests.webhooks.webhook_bodies import AT, make_body, make_value
from webhooks.applier.parse import parse_event

ANA_ID = "551187650001"


def make_message(kind, /, **parts):
    return {"from": ANA_ID, "id": "wamid.in", "timestamp": str(AT), "type": kind, **parts}


def make_text(body, **more):
    return make_message("text", text={"body": body}, **more)


def make_media(kind, caption, **more):
    return make_message(kind, **{kind: {"id": "1", "mime_type": "x/y", "caption": caption}}, **more)


def make_reply(kind, **reply):
    return make_message("interactive", interactive={"type": kind, kind: reply})


def make_form(response):
    written = response if isinstance(response, str) else json.dumps(response)
    return make_reply("nfm_reply", name="flow", body="Sent", response_json=written)


def make_edit(kind, **part):
    edited = {"context": {"id": "M0"}, "type": kind, kind: part}
    return make_message("edit", edit={"original_message_id": "wamid.first", "message": edited})


def read(message):
    """Return source, detail, certainty and text of the opt-out that a message is."""
    event = parse_event(make_body(make_value(messages=[message])))
    assert event.dead_letters == ()
    assert len(event.optouts) + len(event.replies) + sum(event.ignored.values()) == 1
    return next(((each.source, each.detail, each.is_certain, each.text) for each in event.optouts), None)


@pytest.mark.parametrize(
    ("message", "source", "detail"),
    [
        (make_text("SAIR, por favor"), Source.WORD, "sair"),
        (make_text("Sair", context={"from": "1", "id": "wamid.ours"}), Source.WORD, "sair"),
        (make_media("image", "SAIR"), Source.WORD, "sair"),
        (make_media("video", "Stop. Thank you"), Source.WORD, "stop"),
        (make_media("document", "não quero mais receber"), Source.WORD, "nao quero mais receber"),
        (make_edit("text", body="SAIR"), Source.WORD, "sair"),
        (make_edit("image", caption="SAIR", id="1"), Source.WORD, "sair"),
        (make_message("edit", edit={"type": "text", "text": {"body": "SAIR"}}), Source.WORD, "sair"),
        (make_message("button", button={"payload": "UNSUB:c17", "text": "Tchau"}), Source.BUTTON, "unsub"),
        (
            make_message("button", button={"payload": "c17", "text": "Parar de receber"}),
            Source.BUTTON,
            "parar de receber",
        ),
        (make_message("button", button={"text": "Stop promotions"}), Source.BUTTON, "stop promotions"),
        (make_reply("button_reply", id="unsub", title="Ok"), Source.BUTTON, "unsub"),
        (make_reply("list_reply", id="1", title="Sair da lista"), Source.BUTTON, "sair da lista"),
        (
            make_reply("list_reply", id="1", title="3", description="Parar de receber"),
            Source.BUTTON,
            "parar de receber",
        ),
        (make_form({"screen_0_choice_0": "0_Sair", "flow_token": "x"}), Source.BUTTON, "sair"),
        (make_form({"topics": ["news", "STOP_PROMOTIONS"]}), Source.BUTTON, "stop promotions"),
        (make_form({"opt_out": True}), Source.BUTTON, "opt out"),
        (make_form({"screen_1_unsubscribe_2": "yes"}), Source.BUTTON, "unsubscribe"),
        (make_form({"a": {"b": [{"c": "Pare de mandar mensagens"}]}}), Source.BUTTON, "pare de mandar mensagem"),
    ],
)
def test_a_refusal_is_found_wherever_a_person_writes_or_taps_it(message, source, detail):
    assert read(message) == (source, detail, True, "")


@pytest.mark.parametrize(
    ("message", "source", "text"),
    [
        (make_text("Como faço para sair?"), Source.WORD, "Como faço para sair?"),
        (make_media("image", "vocês são spam"), Source.WORD, "vocês são spam"),
        (make_text("SAIR", context={"forwarded": True}), Source.WORD, "SAIR"),
        (make_media("image", "STOP", context={"frequently_forwarded": True}), Source.WORD, "STOP"),
        (make_edit("text", body="Pode me tirar da lista?"), Source.WORD, "Pode me tirar da lista?"),
        (make_message("button", button={"payload": "c17", "text": "Cancelar"}), Source.BUTTON, "Cancelar"),
        (make_text("parem de me mandar mensagem " * 120), Source.WORD, ("parem de me mandar mensagem " * 120)[:1_000]),
    ],
)
def test_what_is_near_a_refusal_comes_with_its_text(message, source, text):
    found = read(message)
    assert (found[0], *found[2:]) == (source, False, text)


@pytest.mark.parametrize(
    "message",
    [
        make_text("Quando posso sair para buscar?"),
        make_text("SAIR", group_id="120363@g.us"),
        make_message("image", image={"id": "1"}),
        make_message("image", text={"body": "SAIR"}),
        make_message("audio", audio={"id": "1", "caption": "SAIR"}),
        make_message("sticker", sticker={"id": "1"}),
        make_message("reaction", reaction={"message_id": "wamid.ours", "emoji": "👎"}),
        make_message("location", location={"latitude": 1, "longitude": 2, "name": "Sair", "address": "Stop"}),
        make_message("contacts", contacts=[{"name": {"formatted_name": "Stop"}}]),
        make_message("order", order={"catalog_id": "1", "text": "parar"}),
        make_message("unsupported", unsupported={"type": "stop"}),
        make_message("revoke", revoke={"original_message_id": "wamid.first"}),
        make_message("edit", edit={"original_message_id": "wamid.first"}),
        make_message("edit", edit="SAIR"),
        make_message("edit", edit={"message": make_edit("text", body="SAIR")}),
        make_message("button", button={"payload": "YES", "text": "Não tenho interesse"}),
        make_message("button", button={"payload": ["STOP"], "text": {"body": "STOP"}}),
        make_reply("call_permission_reply", response="reject", response_source="user_action"),
        make_reply("new_reply", id="stop", title="stop"),
        make_message("interactive", interactive={"type": ["button_reply"]}),
        make_form({"delivery_rating": "4", "comment": "cancelar", "name": "Alto"}),
        make_form({"opt_out": False, "unsubscribe": "no", "flow_token": "stop", "stop": 2}),
        make_form({"subscription": "cancel", "why": "Como faço para sair?"}),
        make_form("STOP"),
        make_form("{" * 20_000),
        make_form("[" * 20_000),
        make_form('{"a": ' * 5_000 + "1" + "}" * 5_000),
        make_form('{"a": ' + "9" * 5_000 + "}"),
        make_form(json.dumps({"a": ["x"] * 1_000, "b": "stop"})[:-1]),
        make_message("interactive", interactive={"type": "nfm_reply", "nfm_reply": {"response_json": 7}}),
    ],
)
def test_nothing_else_is_a_refusal_and_nothing_fails(message):
    assert read(message) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["ok", "1", "não"]),
    lambda parts: st.lists(parts, max_size=4) | st.dictionaries(st.text(max_size=5), parts, max_size=4),
    max_leaves=20,
)


@given(st.sampled_from(["text", "image", "button", "interactive", "edit", "video"]), JSON, JSON)
def test_a_part_of_any_form_fails_nothing(kind, part, response):
    for content in (part, {"message": part}, {"type": "nfm_reply", "nfm_reply": {"response_json": response}}):
        event = parse_event(make_body(make_value(messages=[make_message(kind, **{kind: content})])))
        assert len(event.optouts) + len(event.replies) + sum(event.ignored.values()) == 1


@given(JSON)
def test_a_form_of_any_content_fails_nothing(response):
    event = parse_event(make_body(make_value(messages=[make_form(json.dumps(response)), make_text("SAIR")])))
    assert event.optouts[-1].detail == "sair"
