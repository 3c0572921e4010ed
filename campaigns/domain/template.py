"""An approved template: Meta's entry for it, the parameters that have to be filled in, and whether values will pass."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
import json
from collections.abc import Mapping

# Characters, by Meta's template reference.
MAX_NAME = 512
MAX_HEADER = 60
MAX_BODY = 1024
MAX_URL = 2000

MAX_SPACES = 4  # in a row, in the value of a variable

_NAME = re.compile(rf"[a-z0-9_]{{1,{MAX_NAME}}}")
_LANGUAGE = re.compile(r"[a-z]{2,3}(_[A-Za-z0-9]{2,4})?")
_PLACEHOLDER = re.compile(r"\{\{([^{}]*)\}\}")
_NUMBER = re.compile(r"[1-9][0-9]*")
_DIGITS = re.compile(r"[0-9]+")
_VARIABLE = re.compile(r"[a-z0-9_]+")


class TemplateError(ValueError):
    """The template, or what is to fill it, is not what Meta takes. The message is one sentence for a person."""


class ParameterFormat(StrEnum):
    POSITIONAL = "positional"  # {{1}} {{2}}
    NAMED = "named"  # {{first_name}}


class MediaKind(StrEnum):
    IMAGE = "image"
    VIDEO = "video"
    DOCUMENT = "document"


class ButtonKind(StrEnum):
    """The buttons that a send fills in or names; every other one is `OTHER`."""

    URL = "url"
    QUICK_REPLY = "quick_reply"
    COPY_CODE = "copy_code"
    FLOW = "flow"  # named in every send, without parameters: else Meta refuses it (131009)
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class HeaderText:
    """`variable` is its name ("1" when positional), or None when the text is fixed."""

    variable: str | None = None

    @property
    def has_variable(self) -> bool:
        return self.variable is not None


@dataclass(frozen=True, slots=True)
class HeaderMedia:
    kind: MediaKind


@dataclass(frozen=True, slots=True)
class Button:
    """`index` counts all buttons of the template from 0. `has_variable`: each message brings its own value.

    For a URL that is the suffix, for a quick reply the payload. A quick reply without one comes back with its own text.
    `url` is the approved one, up to where the suffix begins.
    """

    index: int
    kind: ButtonKind
    has_variable: bool = False
    url: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Template:
    """What a send has to fill in. `unsupported` names the parts that need parameters we cannot give (a carousel, …).

    The values of one message are one flat tuple: header text, body variables, buttons by index. Two templates that take
    the same are equal, whatever their texts say.
    """

    name: str
    language: str
    parameter_format: ParameterFormat = ParameterFormat.POSITIONAL
    header: HeaderText | HeaderMedia | None = None
    body_variables: tuple[str, ...] = ()
    buttons: tuple[Button, ...] = ()
    unsupported: tuple[str, ...] = ()
    header_text: str = field(default="", compare=False)
    body_text: str = field(default="", compare=False)

    def __str__(self) -> str:
        return f"{self.name}:{self.language}"

    @property
    def has_header_variable(self) -> bool:
        return isinstance(self.header, HeaderText) and self.header.has_variable

    @property
    def variable_count(self) -> int:
        buttons = sum(button.has_variable for button in self.buttons)
        return self.has_header_variable + len(self.body_variables) + buttons


def parse_body(text: str) -> tuple[ParameterFormat, tuple[str, ...]]:
    """Return the format of a body and its variables, each once: numbers from 1 upwards, names as they first appear.

    Raise TemplateError where Meta would not approve it. A body without variables is positional.
    """
    if not text.strip():
        raise TemplateError("The body is empty.")
    return _parse_text(text, where="body", max_length=MAX_BODY)


def template_from_components(name: str, language: str, components: Iterable[Mapping[str, Any]]) -> Template:
    """Read Meta's `components` of a template, as its Graph API returns them.

    Raise TemplateError for what we could not send correctly. What Meta adds in future is named in `unsupported`.
    """
    check_identity(name, language)
    parts = {_text_of(part, "type").upper(): part for part in components if isinstance(part, dict)}
    parameter_format, body_variables = parse_body(_text_of(parts.get("BODY", {}), "text"))
    header, header_unsupported = _read_header(parts.get("HEADER", {}))
    buttons, buttons_unsupported = _read_buttons(parts.get("BUTTONS", {}))
    if isinstance(header, HeaderText) and header.variable is not None:
        header_format = _format_of(header.variable)
        if body_variables and header_format is not parameter_format:
            raise TemplateError(f"The header is {header_format} and the body {parameter_format}: use one way in both.")
        parameter_format = header_format
    others = [f"component {kind or 'without type'}" for kind in parts if kind not in _READABLE_COMPONENTS]
    return Template(
        name,
        language,
        parameter_format,
        header,
        body_variables,
        buttons,
        unsupported=(*header_unsupported, *buttons_unsupported, *others),
        header_text=_text_of(parts.get("HEADER", {}), "text") if isinstance(header, HeaderText) else "",
        body_text=_text_of(parts.get("BODY", {}), "text"),
    )


def variable_problem(value: str, *, max_length: int = MAX_BODY) -> str | None:
    """Tell why Meta would refuse `value` as a variable, or None. A body has room for 1,024 characters in all."""
    if not value.strip():
        return "is empty"
    if len(value) > max_length:
        return f"is longer than {max_length} characters"
    if not _ANY_PROBLEM.search(value):  # one search for nearly all of a million rows
        return None
    return next(problem for pattern, problem in _PROBLEMS if pattern.search(value))


def render_body(text: str, variables: Sequence[str]) -> str:
    """Return what the person will read. A variable without a value stays as it stands in the template."""
    _, names = parse_body(text)
    return render(text, dict(zip(names, variables, strict=False)))


def render(text: str, values: Mapping[str, str]) -> str:
    """Put values by name into a text. A variable without a value stays as it stands in the template."""
    return _PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), text)


def count_uses(text: str) -> tuple[int, Counter[str]]:
    """Return how long a text is without its variables, and how often it shows each."""
    return len(_PLACEHOLDER.sub("", text)), Counter(match[1] for match in _PLACEHOLDER.finditer(text))


_PROBLEMS = (
    (re.compile("[\n\v\f\r\x85\u2028\u2029]"), "has a line break"),
    (re.compile("\t"), "has a tab"),
    (re.compile(" " * (MAX_SPACES + 1)), f"has more than {MAX_SPACES} spaces in a row"),
    # Postgres does not store NUL, UTF-8 has no half of a surrogate pair.
    (re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]"), "has a control character"),
    (re.compile("\ufffd"), "has a character that could not be read: save the file as CSV UTF-8"),
)
_ANY_PROBLEM = re.compile("|".join(pattern.pattern for pattern, _ in _PROBLEMS))

_READABLE_COMPONENTS = frozenset({"HEADER", "BODY", "FOOTER", "BUTTONS"})

_HEADER_MEDIA = {kind.value.upper(): kind for kind in MediaKind}

# Meta's word for a button → ours.
_BUTTON_KINDS = {
    "URL": ButtonKind.URL,
    "OTP": ButtonKind.URL,  # an authentication template is sent as if it were a URL with the code as suffix
    "QUICK_REPLY": ButtonKind.QUICK_REPLY,
    "COPY_CODE": ButtonKind.COPY_CODE,
    "FLOW": ButtonKind.FLOW,
}
_PLAIN_BUTTONS = frozenset({"PHONE_NUMBER", "VOICE_CALL"})  # a send does not name them


def check_identity(name: str, language: str) -> None:
    if not _NAME.fullmatch(name):
        raise TemplateError(
            f"The template name {name[:80]!r} is not 1 to {MAX_NAME} lowercase letters, digits and underscores."
        )
    if not _LANGUAGE.fullmatch(language):
        raise TemplateError(f"The language {language[:80]!r} is not a code of Meta's, such as en_US or pt_BR.")


def _parse_text(text: str, *, where: str, max_length: int) -> tuple[ParameterFormat, tuple[str, ...]]:
    if len(text) > max_length:
        raise TemplateError(f"The {where} has {len(text)} characters, at most {max_length} are allowed.")
    found: dict[str, None] = {}
    for match in _PLACEHOLDER.finditer(text):
        if not _VARIABLE.fullmatch(match[1]):
            raise TemplateError(
                f"The {where} has {match[0]} at character {match.start() + 1}: "
                "a variable is a number or lowercase letters, digits and underscores, without spaces."
            )
        found[match[1]] = None
    unclosed = _PLACEHOLDER.sub(lambda match: " " * len(match[0]), text).find("{{")
    if unclosed >= 0:
        raise TemplateError(f"The {where} opens a variable at character {unclosed + 1} and does not close it.")
    if not any(_format_of(variable) is ParameterFormat.POSITIONAL for variable in found):
        return (ParameterFormat.NAMED if found else ParameterFormat.POSITIONAL), tuple(found)
    return ParameterFormat.POSITIONAL, _order_numbers(found, where)


def _order_numbers(found: Iterable[str], where: str) -> tuple[str, ...]:
    for variable in found:
        if _format_of(variable) is ParameterFormat.NAMED:
            raise TemplateError(f"The {where} mixes numbers with the name {{{{{variable}}}}}: use one of both.")
        if not _NUMBER.fullmatch(variable):
            raise TemplateError(f"The {where} has {{{{{variable}}}}}: numbers start at 1 and have no leading zero.")
    numbers = sorted(found, key=lambda number: (len(number), number))
    for expected, number in enumerate(numbers, start=1):
        if number != str(expected):
            raise TemplateError(f"The {where} has {{{{{number}}}}} but no {{{{{expected}}}}}: number without gaps.")
    return tuple(numbers)


def _format_of(variable: str) -> ParameterFormat:
    return ParameterFormat.POSITIONAL if _DIGITS.fullmatch(variable) else ParameterFormat.NAMED


def _read_header(part: Mapping[str, Any]) -> tuple[HeaderText | HeaderMedia | None, tuple[str, ...]]:
    if not part:
        return None, ()
    kind = _text_of(part, "format").upper() or "TEXT"
    if kind == "TEXT":
        _, variables = _parse_text(_text_of(part, "text"), where="header", max_length=MAX_HEADER)
        if len(variables) > 1:
            raise TemplateError(f"The header has {len(variables)} variables, at most one is allowed.")
        return HeaderText(*variables), ()
    if kind in _HEADER_MEDIA:
        return HeaderMedia(_HEADER_MEDIA[kind]), ()
    return None, (f"header {kind}",)


def _read_buttons(part: Mapping[str, Any]) -> tuple[tuple[Button, ...], tuple[str, ...]]:
    raw = part.get("buttons")
    buttons, unsupported = [], []
    for index, item in enumerate(raw if isinstance(raw, list) else ()):
        button = item if isinstance(item, dict) else {}
        word = _text_of(button, "type").upper()
        kind = _BUTTON_KINDS.get(word, ButtonKind.OTHER)
        if kind is ButtonKind.OTHER and word not in _PLAIN_BUTTONS:
            unsupported.append(f"button {word or 'without type'}")
        needs_value = word in {"OTP", "COPY_CODE"} or (word == "URL" and "{{" in _text_of(button, "url"))
        buttons.append(Button(index, kind, needs_value, url=_text_of(button, "url").partition("{{")[0]))
    return tuple(buttons), tuple(unsupported)


def _text_of(part: Mapping[str, Any], key: str) -> str:
    value = part.get(key)
    return value if isinstance(value, str) else ""


# Meta's word → ours, where it is another one. A template whose deletion is pending is not sent any more.
_STATUSES = {"PENDING_DELETION": "deleted"}
_WORD = re.compile(r"[A-Z_]{1,40}")
_META_ID = re.compile(r"[0-9]{1,32}")
_MAX_CHARACTERS = 100_000  # of the components as JSON; Meta's own are a few thousand


@dataclass(frozen=True, slots=True)
class ListedTemplate:
    """One template of a WABA. `status` is our word (approved, paused …), `category` and `quality` are Meta's, or ""."""

    meta_id: str | None
    name: str
    language: str
    components: list[dict[str, Any]]
    status: str
    category: str
    quality: str


def read_listed(entry: Mapping[str, Any]) -> ListedTemplate:
    """Read one entry of Meta's list. Raises TemplateError, with what is wrong, for one that cannot be kept.

    Components that no campaign can fill are kept: whoever wants to send the template is told then.
    """
    name, language = identify(entry)
    check_identity(name, language)
    meta_id = str(entry.get("id") or "")
    score = entry.get("quality_score")
    return ListedTemplate(
        meta_id=meta_id if _META_ID.fullmatch(meta_id) else None,
        name=name,
        language=language,
        components=_read_components(entry.get("components"), f"{name}:{language}"),
        status=_read_status(entry.get("status"), f"{name}:{language}"),
        category=_read_word(entry.get("category")),
        quality=_read_word(score.get("score") if isinstance(score, dict) else score),
    )


def identify(entry: Mapping[str, Any]) -> tuple[str, str]:
    """Return name and language, each "" where the entry has none."""
    name, language = entry.get("name"), entry.get("language")
    # Webhooks write en-US where the list writes en_US.
    return (
        name if isinstance(name, str) else "",
        language.replace("-", "_") if isinstance(language, str) else "",
    )


def _read_components(components: object, which: str) -> list[dict[str, Any]]:
    if not isinstance(components, list) or not all(isinstance(part, dict) for part in components):
        raise TemplateError(f"The components of the template {which} are not a list of objects.")
    try:
        text = json.dumps(components, allow_nan=False)
    except (ValueError, RecursionError):
        raise TemplateError(f"The components of the template {which} cannot be kept as JSON.") from None
    if len(text) > _MAX_CHARACTERS:
        raise TemplateError(f"The components of the template {which} are longer than {_MAX_CHARACTERS:,} characters.")
    try:
        json.dumps(components, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise TemplateError(f"The components of the template {which} are not Unicode.") from None
    if "\\u0000" in text:
        raise TemplateError(f"The components of the template {which} have NUL characters.")
    return components


def _read_status(word: object, which: str) -> str:
    if not isinstance(word, str) or not _WORD.fullmatch(word.upper()):
        raise TemplateError(f"The template {which} has no status that can be read.")
    return _STATUSES.get(word.upper(), word.lower())


def _read_word(word: object) -> str:
    return word.upper() if isinstance(word, str) and _WORD.fullmatch(word.upper()) else ""
