"""Builds the body of one send. Pure: what differs between two messages of a campaign comes in as arguments."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

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

# (to, variables, callback data) → body of the request
Encoder = Callable[[str, Sequence[str], str], bytes]

_NO_PAYLOADS: Mapping[int, str] = MappingProxyType({})
_PARAMETER_KEYS = {ButtonKind.URL: "text", ButtonKind.QUICK_REPLY: "payload", ButtonKind.COPY_CODE: "coupon_code"}

# ASCII only: then nothing in a variable, not even half a surrogate pair, can make the encoding of a message fail.
_to_json = json.JSONEncoder(separators=(",", ":"), ensure_ascii=True, check_circular=False).encode


@dataclass(frozen=True, slots=True)
class Media:
    """The media of a header: uploaded (`id`, good for 30 days) or fetched by Meta (`link`), never both."""

    kind: MediaKind
    id: str = ""
    link: str = ""
    filename: str = ""

    def __post_init__(self) -> None:
        if bool(self.id) == bool(self.link):
            raise TemplateError(f"The {self.kind} of a header needs an id or a link, and only one of both.")
        if self.filename and self.kind is not MediaKind.DOCUMENT:
            raise TemplateError(f"Only a document has a file name, not the {self.kind}.")


def template_payload(
    *,
    to: str,
    template: Template,
    variables: Sequence[str],
    callback_data: str,
    header_media: Media | None = None,
    payloads: Mapping[int, str] = _NO_PAYLOADS,
) -> dict[str, Any]:
    """Return the request that sends `template` to the phone `to`.

    `variables`: header text, body, then buttons with a variable, by index. `payloads`: what quick replies without a
    variable give back, by button index. Raise TemplateError when this does not fit the template.
    """
    if len(variables) != template.variable_count:
        raise TemplateError(
            f"The template {template.name} takes {template.variable_count} variables, the message has {len(variables)}."
        )
    values = iter(variables)
    components = [
        *_header(template, values, header_media),
        *_body(template, values),
        *_buttons(template.buttons, values, payloads),
    ]
    content: dict[str, Any] = {"name": template.name, "language": {"code": template.language}}
    if components:
        content["components"] = components
    return {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": _with_plus(to),
        "type": "template",
        "biz_opaque_callback_data": callback_data,
        "template": content,
    }


def encode(payload: Mapping[str, Any]) -> bytes:
    return _to_json(payload).encode("ascii")


def make_encoder(
    template: Template,
    *,
    header_media: Media | None = None,
    payloads: Mapping[int, str] = _NO_PAYLOADS,
) -> Encoder:
    """Return a function that gives the bytes of `encode(template_payload(…))` at a fraction of its price.

    The request is built once with marks where a message differs, and cut there.
    """
    count = template.variable_count
    marks = [f"+\0{number}\0" for number in range(count + 2)]
    to, callback_data, *variables = marks
    model = _to_json(
        template_payload(
            to=to,
            template=template,
            variables=variables,
            callback_data=callback_data,
            header_media=header_media,
            payloads=payloads,
        )
    )
    pattern = model.replace("%", "%%")
    for mark in marks:
        if pattern.count(_to_json(mark)) != 1:
            raise TemplateError("The template has NUL characters in its fixed parts.")
        pattern = pattern.replace(_to_json(mark), "%s")

    def encode_message(to: str, variables: Sequence[str], callback_data: str) -> bytes:
        if len(variables) != count:
            raise TemplateError(
                f"The template {template.name} takes {count} variables, the message has {len(variables)}."
            )
        return (pattern % (_quote(_with_plus(to)), _quote(callback_data), *map(_quote, variables))).encode("ascii")

    return encode_message


_quote = json.encoder.encode_basestring_ascii


def _with_plus(phone: str) -> str:
    """Without a plus Meta puts the country code of the business before the number: another person's phone."""
    return phone if phone.startswith("+") else f"+{phone}"


def _header(template: Template, values: Iterator[str], media: Media | None) -> Iterator[dict[str, Any]]:
    header = template.header
    needed = header.kind if isinstance(header, HeaderMedia) else None
    given = media.kind if media is not None else None
    if needed is not given:
        raise TemplateError(
            f"The header of the template {template.name} takes {needed or 'no media'}, not {given or 'nothing'}."
        )
    if media is not None:
        source = {"id": media.id} if media.id else {"link": media.link}
        if media.filename:
            source["filename"] = media.filename
        yield {"type": "header", "parameters": [{"type": media.kind.value, media.kind.value: source}]}
    if isinstance(header, HeaderText) and header.variable is not None:
        yield {"type": "header", "parameters": [_text(template, header.variable, next(values))]}


def _body(template: Template, values: Iterator[str]) -> Iterator[dict[str, Any]]:
    if template.body_variables:
        parameters = [_text(template, name, next(values)) for name in template.body_variables]
        yield {"type": "body", "parameters": parameters}


def _text(template: Template, name: str, value: str) -> dict[str, str]:
    if template.parameter_format is ParameterFormat.NAMED:
        return {"type": "text", "parameter_name": name, "text": value}
    return {"type": "text", "text": value}


def _buttons(buttons: Sequence[Button], values: Iterator[str], payloads: Mapping[int, str]) -> Iterator[dict[str, Any]]:
    strangers = payloads.keys() - {
        button.index for button in buttons if button.kind is ButtonKind.QUICK_REPLY and not button.has_variable
    }
    if strangers:
        raise TemplateError(f"Button {min(strangers)} is not a quick reply that takes a fixed payload.")
    for button in buttons:
        value = next(values) if button.has_variable else payloads.get(button.index)
        if value is not None:
            key = _PARAMETER_KEYS[button.kind]
            yield {
                "type": "button",
                "sub_type": button.kind.value,
                "index": str(button.index),
                "parameters": [{"type": key, key: value}],
            }
