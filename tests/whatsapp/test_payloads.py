from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.domain.filling import Filling, fill, list_parameters
from campaigns.domain.template import (
    Button,
    ButtonKind,
    HeaderMedia,
    HeaderText,
    MediaKind,
    ParameterFormat,
    Template,
    TemplateError,
)
from campaigns.whatsapp.payloads import Media, build_template_payload, encode, fill_payload, make_encoder

PHONE = "+4915112345678"
CALLBACK = "r1.0123abcd.903.1"
PLAIN = Template("hello", "en_US", body_variables=("1", "2"))
FULL = Template(
    "spring_sale",
    "de",
    ParameterFormat.NAMED,
    HeaderMedia(MediaKind.IMAGE),
    ("first_name", "code"),
    (Button(0, ButtonKind.URL, has_variable=True), Button(1, ButtonKind.QUICK_REPLY)),
)


def payload(template=PLAIN, variables=("Ada", "A7"), **more):
    return build_template_payload(to=PHONE, template=template, variables=variables, callback_data=CALLBACK, **more)


def components(*args, **more):
    return payload(*args, **more)["template"]["components"]


def test_every_part_of_a_template_is_filled_as_in_the_reference():
    built = payload(
        FULL,
        ("Ada", "A7", "u/ada"),
        header_media=Media(MediaKind.IMAGE, id="1013859600285441"),
        payloads={1: "UNSUB:c17"},
    )
    assert built == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": PHONE,
        "type": "template",
        "biz_opaque_callback_data": CALLBACK,
        "template": {
            "name": "spring_sale",
            "language": {"code": "de"},
            "components": [
                {"type": "header", "parameters": [{"type": "image", "image": {"id": "1013859600285441"}}]},
                {
                    "type": "body",
                    "parameters": [
                        {"type": "text", "parameter_name": "first_name", "text": "Ada"},
                        {"type": "text", "parameter_name": "code", "text": "A7"},
                    ],
                },
                {
                    "type": "button",
                    "sub_type": "url",
                    "index": "0",
                    "parameters": [{"type": "text", "text": "u/ada"}],
                },
                {
                    "type": "button",
                    "sub_type": "quick_reply",
                    "index": "1",
                    "parameters": [{"type": "payload", "payload": "UNSUB:c17"}],
                },
            ],
        },
    }


def test_positional_variables_have_no_name():
    assert components() == [
        {"type": "body", "parameters": [{"type": "text", "text": "Ada"}, {"type": "text", "text": "A7"}]}
    ]


def test_a_template_without_variables_has_no_components():
    assert "components" not in payload(Template("hello", "en_US"), ())["template"]


def test_a_phone_is_always_sent_with_a_plus():
    without = build_template_payload(to=PHONE[1:], template=PLAIN, variables=("a", "b"), callback_data=CALLBACK)
    assert without["to"] == PHONE
    assert json.loads(make_encoder(fill(PLAIN, {}))(PHONE[1:], ("a", "b"), CALLBACK))["to"] == PHONE


def test_the_values_go_to_header_body_and_buttons_in_this_order():
    template = Template(
        "order",
        "pt_BR",
        header=HeaderText("1"),
        body_variables=("1",),
        buttons=(
            Button(0, ButtonKind.QUICK_REPLY, has_variable=True),
            Button(1, ButtonKind.OTHER),
            Button(2, ButtonKind.COPY_CODE, has_variable=True),
        ),
    )
    parts = components(template, ("head", "body", "reply", "coupon"))
    assert [part["parameters"][0] for part in parts] == [
        {"type": "text", "text": "head"},
        {"type": "text", "text": "body"},
        {"type": "payload", "payload": "reply"},
        {"type": "coupon_code", "coupon_code": "coupon"},
    ]
    assert [part.get("index") for part in parts] == [None, None, "0", "2"]


def test_a_flow_button_is_named_in_every_send():
    """Meta refuses a message without the button (131009), although the button has nothing to fill in."""
    buttons = (Button(0, ButtonKind.FLOW),)
    flow = Template("survey", "pt_BR", buttons=buttons)
    assert components(flow, ()) == [{"type": "button", "sub_type": "flow", "index": "0"}]
    assert json.loads(make_encoder(fill(flow, {}))(PHONE, (), CALLBACK)) == payload(flow, ())


def test_beside_others_a_flow_button_has_its_own_place():
    buttons = (
        Button(0, ButtonKind.QUICK_REPLY),
        Button(1, ButtonKind.OTHER),
        Button(2, ButtonKind.FLOW),
        Button(3, ButtonKind.URL, has_variable=True),
        Button(4, ButtonKind.FLOW),
    )
    template = Template("survey", "pt_BR", body_variables=("1",), buttons=buttons)
    found = components(template, ("Ana", "u/ana"), payloads={0: "STOP"})
    assert [(part.get("sub_type"), part.get("index")) for part in found] == [
        (None, None), ("quick_reply", "0"), ("flow", "2"), ("url", "3"), ("flow", "4"),
    ]  # fmt: skip
    assert components(template, ("Ana", "u/ana"))[1] == {"type": "button", "sub_type": "flow", "index": "2"}


def test_a_named_header_carries_its_name():
    template = Template("order", "de", ParameterFormat.NAMED, HeaderText("shop"))
    assert components(template, ("Muster",)) == [
        {"type": "header", "parameters": [{"type": "text", "parameter_name": "shop", "text": "Muster"}]}
    ]


def test_a_document_has_a_link_and_a_file_name():
    template = Template("bill", "de", header=HeaderMedia(MediaKind.DOCUMENT))
    media = Media(MediaKind.DOCUMENT, link="https://example.com/1.pdf", filename="Rechnung.pdf")
    assert components(template, (), header_media=media)[0]["parameters"] == [
        {"type": "document", "document": {"link": "https://example.com/1.pdf", "filename": "Rechnung.pdf"}}
    ]


@pytest.mark.parametrize(
    "fields",
    [{}, {"id": "1", "link": "https://example.com"}, {"id": "1", "filename": "a.png"}],
    ids=["nothing", "id and link", "file name of an image"],
)
def test_an_impossible_media_cannot_be_made(fields):
    with pytest.raises(TemplateError):
        Media(MediaKind.IMAGE, **fields)


@pytest.mark.parametrize(
    ("template", "variables", "more"),
    [
        (PLAIN, ("Ada",), {}),
        (PLAIN, ("Ada", "A7", "x"), {}),
        (FULL, ("Ada", "A7", "u"), {}),
        (FULL, ("Ada", "A7", "u"), {"header_media": Media(MediaKind.VIDEO, id="1")}),
        (PLAIN, ("Ada", "A7"), {"header_media": Media(MediaKind.IMAGE, id="1")}),
        (PLAIN, ("Ada", "A7"), {"payloads": {0: "x"}}),
    ],
    ids=["one too few", "one too many", "no media", "other media", "media for no header", "no such quick reply"],
)
def test_what_does_not_fit_the_template_is_refused(template, variables, more):
    with pytest.raises(TemplateError):
        payload(template, variables, **more)


def test_the_body_is_ascii_and_compact():
    body = encode(payload(variables=("São João 🎉", "\ud800")))
    assert body.isascii()
    assert b" " not in body.replace(b"S\\u00e3o Jo", b"").replace(b" \\ud83c", b"")


texts = st.text(max_size=20) | st.sampled_from(["%s", "%%", "%(a)s", '"', "\\", "+\0001\000", "\0", "\ud800"])


_PARAMETER_KINDS = [ButtonKind.URL, ButtonKind.QUICK_REPLY]
_BUTTON_KINDS = [*_PARAMETER_KINDS, ButtonKind.FLOW, ButtonKind.OTHER]


@st.composite
def sends(draw):
    """Make a template with what its campaign fixes, and the values of one message."""
    kind = draw(st.none() | st.sampled_from(MediaKind))
    header = HeaderMedia(kind) if kind else draw(st.sampled_from([None, HeaderText(), HeaderText("1")]))
    buttons = tuple(
        Button(index, kind, kind in _PARAMETER_KINDS and draw(st.booleans()))
        for index, kind in enumerate(draw(st.lists(st.sampled_from(_BUTTON_KINDS), max_size=4)))
    )
    template = Template(
        draw(st.sampled_from(["sale", "100%s", "a%b"])),
        "de",
        draw(st.sampled_from(ParameterFormat)),
        header,
        tuple(f"v{number}" for number in range(draw(st.integers(0, 4)))),
        buttons,
    )
    parameters = list_parameters(template)
    places = [
        draw(st.sampled_from(["fixed", "row"] if each.is_required else ["fixed", "row", "no"])) for each in parameters
    ]
    fixed = {
        each.name: draw(links if each.name == "header" else st.sampled_from(["a", "STOP %s", '"', "São"]))
        for each, place in zip(parameters, places, strict=True)
        if place == "fixed"
    }
    columns = tuple(each for each, place in zip(parameters, places, strict=True) if place == "row")
    kinds = {"header": links, "file name": st.sampled_from(["a.pdf", "%s", '"'])}
    values = tuple(draw(kinds.get(each.name, texts)) for each in columns)
    return Filling(template, fixed, columns), values


links = st.sampled_from(["https://example.com/%20a", "1013859600285441", 'https://example.com/?q="%s"'])


@given(sends(), texts, texts)
def test_the_fast_encoder_gives_the_same_bytes(send, to, callback):
    filling, values = send
    slow = fill_payload(filling, to=to, values=values, callback_data=callback)
    assert make_encoder(filling)(to, values, callback) == encode(slow)


DOCUMENT = Template(
    "bill",
    "de",
    header=HeaderMedia(MediaKind.DOCUMENT),
    body_variables=("1",),
    buttons=(
        Button(0, ButtonKind.QUICK_REPLY),
        Button(1, ButtonKind.URL, has_variable=True),
        Button(2, ButtonKind.COPY_CODE, has_variable=True),
    ),
)


def parts(filling, *values):
    body = json.loads(make_encoder(filling)(PHONE, values, CALLBACK))
    return [part["parameters"][0] for part in body["template"]["components"]]


def test_what_is_the_same_for_all_stands_in_every_message():
    given = {"header": "1013859600285441", "file name": "Rechnung.pdf", "button 1": "STOP", "button 3": "SALE25"}
    filling = fill(DOCUMENT, given)
    assert filling.names == ["1", "button 2"]
    assert parts(filling, "Ana", "u/ana") == [
        {"type": "document", "document": {"id": "1013859600285441", "filename": "Rechnung.pdf"}},
        {"type": "text", "text": "Ana"},
        {"type": "payload", "payload": "STOP"},
        {"type": "text", "text": "u/ana"},
        {"type": "coupon_code", "coupon_code": "SALE25"},
    ]


def test_each_row_brings_its_own_media_by_link_or_by_id():
    filling = fill(DOCUMENT, {"1": "Oi", "file name": None, "button 2": "u", "button 3": "X"})
    assert filling.names == ["header", "file name"]
    for value, key in (("https://example.com/1.pdf", "link"), ("77", "id")):
        assert parts(filling, value, "1.pdf")[0]["document"] == {key: value, "filename": "1.pdf"}


def test_an_optional_part_that_nobody_gives_is_left_out():
    found = parts(fill(DOCUMENT, {}), "77", "Ana", "u", "X")
    assert found[0] == {"type": "document", "document": {"id": "77"}}
    assert [part["type"] for part in found] == ["document", "text", "text", "coupon_code"]


@pytest.mark.parametrize("values", [(), ("77", "Ana", "u"), ("77", "Ana", "u", "X", "more")])
def test_a_row_with_another_number_of_values_is_refused(values):
    with pytest.raises(TemplateError):
        make_encoder(fill(DOCUMENT, {}))(PHONE, values, CALLBACK)
