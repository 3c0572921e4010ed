"""Every template send of the corpus comes out of our builder again, part by part."""

from __future__ import annotations

import json

from campaigns.domain.filling import Filling, list_parameters
from campaigns.domain.template import (
    Button,
    ButtonKind,
    HeaderMedia,
    HeaderText,
    MediaKind,
    ParameterFormat,
    Template,
)
from campaigns.whatsapp.payloads import Media, build_template_payload, make_encoder

# What a campaign does not send. A component with one of these is left out of the comparison, as is a field.
UNSUPPORTED = {
    "body currency",
    "body date_time",
    "button catalog action",
    "button flow action",
    "button order_details action",
    "button quick_reply text",  # a sample that sends booleans as text; a quick reply takes a payload
    "button url text+payment_link_preview",
    "button voice_call payload",
    "button voice_call ttl_minutes",
    "language.policy",
    "message_activity_sharing",
    "order_status order_status",
    "product_policy",
}
SUPPORTED = {
    "header text",
    "header image",
    "header video",
    "header document",
    "body text",
    "button url text",
    "button quick_reply payload",
}
CALLBACK = "r1.0123abcd.1.1"


def test_the_list_of_what_we_do_not_send_is_exact(template_sends):
    found = set()
    for path in template_sends:
        send = json.loads(path.read_bytes())
        found |= {part for component in components_of(send) for part in parts_of(component)} - SUPPORTED
        found |= send.keys() & {"product_policy", "message_activity_sharing"}
        found |= {"language.policy"} if "policy" in send["template"]["language"] else set()
    assert found == UNSUPPORTED


def test_a_send_comes_out_of_the_builder_again(template_send):
    send = json.loads(template_send.read_bytes())
    components = [component for component in components_of(send) if set(parts_of(component)) <= SUPPORTED]
    template, variables, media = take_apart(send, components)
    built = build_template_payload(
        to=send["to"], template=template, variables=variables, callback_data=CALLBACK, header_media=media
    )
    assert built == {
        "messaging_product": send["messaging_product"],
        "recipient_type": send.get("recipient_type", "individual"),
        "to": "+" + send["to"].removeprefix("+"),
        "type": send["type"],
        "biz_opaque_callback_data": CALLBACK,
        "template": {
            "name": send["template"]["name"],
            "language": {"code": send["template"]["language"]["code"]},
            **({"components": [normalise(component) for component in components]} if components else {}),
        },
    }
    fixed = {"header": media.id or media.link, "file name": media.filename} if media else {}
    columns = tuple(each for each in list_parameters(template) if each.is_required and each.name not in fixed)
    filling = Filling(template, fixed, columns)
    assert json.loads(make_encoder(filling)(send["to"], variables, CALLBACK)) == built


def components_of(send):
    return send["template"].get("components", [])


def parts_of(component):
    """Name each parameter by what holds it, its type and any key that we do not write."""
    holder = " ".join(filter(None, [component["type"], component.get("sub_type", "").lower()]))
    for parameter in component["parameters"]:
        extra = parameter.keys() - {"type", "parameter_name", parameter["type"]}
        yield "+".join([f"{holder} {parameter['type']}", *sorted(extra)])


def take_apart(send, components):
    """Tell which template the sender must have had, and what filled it."""
    header, media, names, buttons, variables = None, None, (), [], []
    parameter_format = ParameterFormat.POSITIONAL
    for component in components:
        for number, parameter in enumerate(component["parameters"], start=1):
            kind, value = parameter["type"], parameter[parameter["type"]]
            if "parameter_name" in parameter:
                parameter_format = ParameterFormat.NAMED
            name = parameter.get("parameter_name", str(number))
            if isinstance(value, dict):
                media = Media(MediaKind(kind), **value)
                header = HeaderMedia(media.kind)
                continue
            variables.append(value)
            if component["type"] == "header":
                header = HeaderText(name)
            elif component["type"] == "body":
                names = (*names, name)
            else:
                kind = ButtonKind(component["sub_type"].lower())
                buttons.append(Button(int(component["index"]), kind, has_variable=True))
    template = Template(
        send["template"]["name"],
        send["template"]["language"]["code"],
        parameter_format,
        header,
        names,
        tuple(buttons),
    )
    return template, tuple(variables), media


def normalise(component):
    """Write a button as the reference does: its index as text, its kind in small letters."""
    if component["type"] != "button":
        return component
    return component | {"index": str(component["index"]), "sub_type": component["sub_type"].lower()}
