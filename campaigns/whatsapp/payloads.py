"""Builds the body of one send. Pure: what differs between two messages of a campaign comes in as arguments."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from campaigns.domain.filling import Filling, ParameterKind, is_media_id, list_parameters
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


def fill_payload(filling: Filling, *, to: str, values: Sequence[str], callback_data: str) -> dict[str, Any]:
    """Return the request that sends a filled template. `values`: what one row brings, in the order of `columns`."""
    _check_count(filling, values)
    by_name = {**filling.fixed, **dict(zip(filling.names, values, strict=True))}
    variables, payloads = [], {}
    for parameter in list_parameters(filling.template):
        value = by_name.get(parameter.name)
        if parameter.kind is ParameterKind.PAYLOAD and not parameter.is_required:
            if value is not None:
                assert parameter.button_index is not None
                payloads[parameter.button_index] = value
        elif parameter.kind not in _MEDIA_KINDS:
            assert value is not None
            variables.append(value)
    return template_payload(
        to=to,
        template=filling.template,
        variables=variables,
        callback_data=callback_data,
        header_media=_media(filling.template, by_name),
        payloads=payloads,
    )


def make_encoder(filling: Filling) -> Encoder:
    """Return a function that gives the bytes of `encode(fill_payload(…))` at a fraction of its price.

    The request is built once with marks where a message differs, and cut there.
    """
    count = len(filling.columns)
    marks = [f"+\0{number}\0" for number in range(count + 2)]
    to, callback_data, *values = marks
    pattern = _to_json(fill_payload(filling, to=to, values=values, callback_data=callback_data)).replace("%", "%%")
    write_values = [_write_media if column.kind is ParameterKind.MEDIA else _quote for column in filling.columns]
    has_media = _write_media in write_values
    for mark, write in zip(marks, [_quote, _quote, *write_values], strict=True):
        cut = write(mark)
        if pattern.count(cut) != 1:
            raise TemplateError("The template has NUL characters in its fixed parts.")
        pattern = pattern.replace(cut, "%s")

    def encode_message(to: str, variables: Sequence[str], callback_data: str) -> bytes:
        if len(variables) != count:
            _check_count(filling, variables)
        written = (
            [write(value) for write, value in zip(write_values, variables, strict=True)]
            if has_media
            else map(_quote, variables)
        )
        return (pattern % (_quote(_with_plus(to)), _quote(callback_data), *written)).encode("ascii")

    return encode_message


_MEDIA_KINDS = frozenset({ParameterKind.MEDIA, ParameterKind.FILENAME})


def _check_count(filling: Filling, values: Sequence[str]) -> None:
    if len(values) != len(filling.columns):
        raise TemplateError(
            f"The template {filling.template.name} takes {len(filling.columns)} variables of each row, "
            f"the message has {len(values)}."
        )


def _media(template: Template, values: Mapping[str, str]) -> Media | None:
    if not isinstance(template.header, HeaderMedia):
        return None
    by_kind = {each.kind: values.get(each.name, "") for each in list_parameters(template)[:2]}
    value = by_kind[ParameterKind.MEDIA]
    source = {"id": value} if is_media_id(value) else {"link": value}
    return Media(template.header.kind, **source, filename=by_kind.get(ParameterKind.FILENAME, ""))


def _write_media(value: str) -> str:
    """Return the member of the media object that `_media` makes of a value."""
    return f'"{"id" if is_media_id(value) else "link"}":{_quote(value)}'


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
        if button.kind is ButtonKind.FLOW:
            # Its parameters (flow_token, flow_action_data) are optional, the component is not.
            yield {"type": "button", "sub_type": "flow", "index": str(button.index)}
            continue
        value = next(values) if button.has_variable else payloads.get(button.index)
        if value is not None:
            key = _PARAMETER_KEYS[button.kind]
            yield {
                "type": "button",
                "sub_type": button.kind.value,
                "index": str(button.index),
                "parameters": [{"type": key, key: value}],
            }
