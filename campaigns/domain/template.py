"""A template: Meta's entry for the template, its parameters, and whether Meta accepts a value for a parameter."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from campaigns.domain.statement import Entry, Hint, HintAction, Kind, Refusal, Sentence, Word, list_sentences
from campaigns.domain.text.normal import is_blank

# Largest numbers of characters, from Meta's template reference.
MAX_NAME = 512
MAX_HEADER = 60
MAX_BODY = 1024
MAX_URL = 2000

MAX_SPACES = 4  # the most spaces in a row in the value of a variable

_NAME = re.compile(rf"[a-z0-9_]{{1,{MAX_NAME}}}")
_LANGUAGE = re.compile(r"[a-z]{2,3}(_[A-Za-z0-9]{2,4})?")
_PLACEHOLDER = re.compile(r"\{\{([^{}]*)\}\}")
_NUMBER = re.compile(r"[1-9][0-9]*")
_DIGITS = re.compile(r"[0-9]+")
_VARIABLE = re.compile(r"[a-z0-9_]+")


class TemplateError(Refusal):
    """Meta would not accept the template, or the values for its parameters."""


def missing_template(text: str, choices: Sequence[Entry | str], similar: Sequence[Entry | str]) -> Refusal:
    """Return the refusal of a text that is the `name:language` of no template.

    `choices`: the templates of the same name in other languages. `similar`: templates whose names are similar.
    """
    has_language = all(text.partition(":"))
    if choices:
        return Refusal(
            "template_missing" if has_language else "template_word_invalid",
            "There is no template {template}; choose from: {choices}."
            if has_language
            else "{template!r} is not NAME:LANGUAGE; choose from: {choices}.",
            kind=Kind.MISSING if has_language else Kind.INVALID,
            template=text,
            choices=_list_choices(choices),
        )
    if not has_language:
        return Refusal("template_word_invalid", "{text!r} is not NAME:LANGUAGE, such as promo:pt_BR.", text=text)
    return Refusal(
        "template_missing",
        "There is no template {template}; did you mean {similar}? {list_templates} shows all."
        if similar
        else "There is no template {template}; {list_templates} shows all.",
        kind=Kind.MISSING,
        template=text,
        similar=_list_choices(similar) if similar else "",
        list_templates=Hint(HintAction.LIST_TEMPLATES),
    )


def _list_choices(choices: Sequence[Entry | str]) -> Sentence:
    return list_sentences([Sentence("{choice}", choice=choice) for choice in choices])


class TemplateStatus(StrEnum):
    """The status of a template, from Meta's list, from a webhook or from a refused message.

    If Meta's list names a status that this enum does not have, Postgres keeps Meta's word in lower case.
    """

    APPROVED = "approved"
    PENDING = "pending"
    REJECTED = "rejected"
    PAUSED = "paused"  # for some hours or days, then Meta approves the template again
    DISABLED = "disabled"
    IN_APPEAL = "in_appeal"
    LIMIT_EXCEEDED = "limit_exceeded"
    LOCKED = "locked"
    ARCHIVED = "archived"
    DELETED = "deleted"
    # The next two statuses are not words of Meta's. A template gets one of them after Meta refused a message with this
    # template.
    MISSING = "missing"  # Meta says: the template does not exist in this language, or is not approved
    REFUSED = "refused"  # Meta refused the message for another reason that concerns the template


class ParameterFormat(StrEnum):
    POSITIONAL = "positional"  # {{1}} {{2}}
    NAMED = "named"  # {{first_name}}


class MediaKind(StrEnum):
    IMAGE = "image"
    VIDEO = "video"
    DOCUMENT = "document"


class ButtonKind(StrEnum):
    """The kinds of buttons that a send fills in or names. Every other button is `OTHER`."""

    URL = "url"
    QUICK_REPLY = "quick_reply"
    COPY_CODE = "copy_code"
    FLOW = "flow"  # every send names this button, without parameters; else Meta refuses the send (131009)
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class HeaderText:
    """`variable` is the name of the variable ("1" if it is positional), or None if the text is fixed."""

    variable: str | None = None

    @property
    def has_variable(self) -> bool:
        return self.variable is not None


@dataclass(frozen=True, slots=True)
class HeaderMedia:
    kind: MediaKind


@dataclass(frozen=True, slots=True)
class Button:
    """`index`: the button's place among all buttons of the template, from 0. `prefix`: a URL up to its variable.

    A URL without a variable has no prefix, because a send does not fill in such a URL.

    `has_variable`: each message has a value for the button: the suffix of a URL, a code to copy, or the payload of a
    quick reply. A quick reply without a payload sends back the text on the button.
    """

    index: int
    kind: ButtonKind
    has_variable: bool = False
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Template:
    """The parts of a template that a send fills in. `unsupported`: parts whose parameters we cannot give (a carousel).

    The values of one message are one flat tuple, in this order: header, body variables, buttons by index. Two templates
    with the same name, language and parameters are equal, even if their texts differ. The prefix of a link belongs to
    its parameter, because an import removes the prefix from the links of the recipients.
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
    """Return the format of a body and its variables, each once: numbers in ascending order, names in order of use.

    Raise TemplateError for a body that Meta would not approve. A body without variables is positional.
    """
    if not text.strip():
        raise TemplateError("body_empty", "The body is empty.")
    return _parse_text(text, where=Word("body"), max_length=MAX_BODY)


def template_from_components(name: str, language: str, components: Iterable[Mapping[str, Any]]) -> Template:
    """Read Meta's `components` of a template, as its Graph API returns them.

    Raise TemplateError for a template that we could not send correctly. Parts that we do not know are named in
    `unsupported`.
    """
    check_identity(name, language)
    parts = {_text_of(part, "type").upper(): part for part in components if isinstance(part, dict)}
    parameter_format, body_variables = parse_body(_text_of(parts.get("BODY", {}), "text"))
    header, header_unsupported = _read_header(parts.get("HEADER", {}))
    buttons, buttons_unsupported = _read_buttons(parts.get("BUTTONS", {}))
    if isinstance(header, HeaderText) and header.variable is not None:
        header_format = _format_of(header.variable)
        if body_variables and header_format is not parameter_format:
            raise TemplateError(
                "parameter_formats_mixed",
                "The header has {header_format} variables and the body {body_format} ones: use one kind in both.",
                header_format=header_format,
                body_format=parameter_format,
            )
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
    """Return the reason why Meta would refuse `value`, or None. A whole body has at most 1,024 characters."""
    if is_blank(value):
        return "is empty"
    if len(value) > max_length:
        return f"is longer than {max_length} characters"
    if not _ANY_PROBLEM.search(value):  # for nearly every value, this one search is enough
        return None
    return next(problem for pattern, problem in _PROBLEMS if pattern.search(value))


def render(text: str, values: Mapping[str, str]) -> str:
    """Return a text with values in place of its variables. `values`: by name.

    A variable without a value keeps its placeholder.
    """
    return _PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), text)


def count_uses(text: str) -> tuple[int, Counter[str]]:
    """Return the length of a text without its variables, and, by variable, the number of its uses in the text."""
    return len(_PLACEHOLDER.sub("", text)), Counter(match[1] for match in _PLACEHOLDER.finditer(text))


# Letters in a wrong encoding are lost, also in a workbook. To save the file in another form does not bring them back.
EXPORT_AGAIN = "correct the cell, or export the list again as XLSX or CSV UTF-8 from the program that wrote it"
# A program has read the whole list in the encoding of another system. Some of the wrong letters look right.
MISREAD = (
    "because the list was read in the encoding of another system, so other rows may be wrong, too: export the whole"
    " list again as XLSX or CSV UTF-8 from the program that wrote it"
)
_PROBLEMS = (
    (re.compile("[\n\v\f\r\x85\u2028\u2029]"), "has a line break"),
    (re.compile("\t"), "has a tab"),
    (re.compile(" " * (MAX_SPACES + 1)), f"has more than {MAX_SPACES} spaces in a row"),
    # Postgres cannot store NUL, and UTF-8 cannot encode half of a surrogate pair.
    (re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]"), "has a control character"),
    (re.compile("\ufffd"), f"has a character that could not be read: {EXPORT_AGAIN}"),
)
_ANY_PROBLEM = re.compile("|".join(pattern.pattern for pattern, _ in _PROBLEMS))

_READABLE_COMPONENTS = frozenset({"HEADER", "BODY", "FOOTER", "BUTTONS"})

_HEADER_MEDIA = {kind.value.upper(): kind for kind in MediaKind}

# By Meta's word for a kind of button, our kind.
_BUTTON_KINDS = {
    "URL": ButtonKind.URL,
    "OTP": ButtonKind.URL,  # the button of an authentication template: sent like a URL with the code as suffix
    "QUICK_REPLY": ButtonKind.QUICK_REPLY,
    "COPY_CODE": ButtonKind.COPY_CODE,
    "FLOW": ButtonKind.FLOW,
}
_PLAIN_BUTTONS = frozenset({"PHONE_NUMBER", "VOICE_CALL"})  # a send does not name these buttons


def check_identity(name: str, language: str) -> None:
    if not _NAME.fullmatch(name):
        raise TemplateError(
            "template_name_invalid",
            "The template name {name!r} is not 1 to {most} lowercase letters, digits and underscores.",
            name=name[:80],
            most=MAX_NAME,
        )
    if not _LANGUAGE.fullmatch(language):
        raise TemplateError(
            "template_language_invalid",
            "The language {language!r} is not a code of Meta's, such as en_US or pt_BR.",
            language=language[:80],
        )


def _parse_text(text: str, *, where: str, max_length: int) -> tuple[ParameterFormat, tuple[str, ...]]:
    if len(text) > max_length:
        raise TemplateError(
            "template_text_too_long",
            "The {where} has {length} characters, at most {most} are allowed.",
            where=where,
            length=len(text),
            most=max_length,
        )
    found: dict[str, None] = {}
    for match in _PLACEHOLDER.finditer(text):
        if not _VARIABLE.fullmatch(match[1]):
            raise TemplateError(
                "variable_name_invalid",
                "The {where} has {found} at character {position}: a variable is a number or lowercase letters, digits"
                " and underscores, without spaces.",
                where=where,
                found=match[0],
                position=match.start() + 1,
            )
        found[match[1]] = None
    unclosed = _PLACEHOLDER.sub(lambda match: " " * len(match[0]), text).find("{{")
    if unclosed >= 0:
        raise TemplateError(
            "variable_not_closed",
            "The {where} opens a variable at character {position} and does not close it.",
            where=where,
            position=unclosed + 1,
        )
    if not any(_format_of(variable) is ParameterFormat.POSITIONAL for variable in found):
        return (ParameterFormat.NAMED if found else ParameterFormat.POSITIONAL), tuple(found)
    return ParameterFormat.POSITIONAL, _order_numbers(found, where)


def _order_numbers(found: Iterable[str], where: str) -> tuple[str, ...]:
    for variable in found:
        if _format_of(variable) is ParameterFormat.NAMED:
            raise TemplateError(
                "variable_names_mixed",
                "The {where} mixes numbers with the name {{{{{variable}}}}}: use one of both.",
                where=where,
                variable=variable,
            )
        if not _NUMBER.fullmatch(variable):
            raise TemplateError(
                "variable_number_invalid",
                "The {where} has {{{{{variable}}}}}: numbers start at 1 and have no leading zero.",
                where=where,
                variable=variable,
            )
    numbers = sorted(found, key=lambda number: (len(number), number))
    for expected, number in enumerate(numbers, start=1):
        if number != str(expected):
            raise TemplateError(
                "variable_number_missing",
                "The {where} has {{{{{number}}}}} but no {{{{{expected}}}}}: number the variables without gaps.",
                where=where,
                number=number,
                expected=expected,
            )
    return tuple(numbers)


def _format_of(variable: str) -> ParameterFormat:
    return ParameterFormat.POSITIONAL if _DIGITS.fullmatch(variable) else ParameterFormat.NAMED


def _read_header(part: Mapping[str, Any]) -> tuple[HeaderText | HeaderMedia | None, tuple[str, ...]]:
    if not part:
        return None, ()
    kind = _text_of(part, "format").upper() or "TEXT"
    if kind == "TEXT":
        _, variables = _parse_text(_text_of(part, "text"), where=Word("header"), max_length=MAX_HEADER)
        if len(variables) > 1:
            raise TemplateError(
                "header_variables", "The header has {count} variables, at most one is allowed.", count=len(variables)
            )
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
        prefix, has_placeholder, _ = _text_of(button, "url").partition("{{")
        buttons.append(Button(index, kind, needs_value, prefix if has_placeholder else ""))
    return tuple(buttons), tuple(unsupported)


def _text_of(part: Mapping[str, Any], key: str) -> str:
    value = part.get(key)
    return value if isinstance(value, str) else ""


# Meta's words for a status, in its list and in its webhooks. A template whose deletion is pending is not sent any more.
_STATUSES = {
    "APPROVED": TemplateStatus.APPROVED,
    "REINSTATED": TemplateStatus.APPROVED,
    "UNARCHIVED": TemplateStatus.APPROVED,
    "UNPAUSED": TemplateStatus.APPROVED,
    "PENDING": TemplateStatus.PENDING,
    "REJECTED": TemplateStatus.REJECTED,
    "PAUSED": TemplateStatus.PAUSED,
    "DISABLED": TemplateStatus.DISABLED,
    "IN_APPEAL": TemplateStatus.IN_APPEAL,
    "LIMIT_EXCEEDED": TemplateStatus.LIMIT_EXCEEDED,
    "LOCKED": TemplateStatus.LOCKED,
    "ARCHIVED": TemplateStatus.ARCHIVED,
    "PENDING_DELETION": TemplateStatus.DELETED,
    "DELETED": TemplateStatus.DELETED,
}
_WORD = re.compile(r"[A-Z_]{1,40}")
_META_ID = re.compile(r"[0-9]{1,32}")
_MAX_CHARACTERS = 100_000  # the limit for the components as JSON; real templates have a few thousand characters


@dataclass(frozen=True, slots=True)
class ListedTemplate:
    """One template of a WABA. `status` is a `TemplateStatus`, or a new word of Meta's in lower case.

    `category` and `quality` are words of Meta's, or "".
    """

    meta_id: str | None
    name: str
    language: str
    components: list[dict[str, Any]]
    status: str
    category: str
    quality: str


def read_template_status(word: str) -> TemplateStatus | None:
    """Return the status that Meta's word means; None: the word names no status that we know."""
    return _STATUSES.get(word.upper())


def read_listed(entry: Mapping[str, Any]) -> ListedTemplate:
    """Read one entry of Meta's list. Raises TemplateError if the entry cannot be stored.

    Components that no campaign can fill are stored, but a campaign with such a template is refused.
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
    """Return name and language of a template; each is "" if the entry lacks it."""
    name, language = entry.get("name"), entry.get("language")
    # Webhooks write en-US where the list writes en_US.
    return (
        name if isinstance(name, str) else "",
        language.replace("-", "_") if isinstance(language, str) else "",
    )


def _read_components(components: object, which: str) -> list[dict[str, Any]]:
    if not isinstance(components, list) or not all(isinstance(part, dict) for part in components):
        text = "The components of the template {template} are not a list of objects."
        raise TemplateError("components_no_list", text, template=which)
    try:
        text = json.dumps(components, allow_nan=False)
    except (ValueError, RecursionError):
        text = "The components of the template {template} cannot be kept as JSON."
        raise TemplateError("components_no_json", text, template=which) from None
    if len(text) > _MAX_CHARACTERS:
        raise TemplateError(
            "components_too_long",
            "The components of the template {template} are longer than {most:,} characters.",
            template=which,
            most=_MAX_CHARACTERS,
        )
    try:
        json.dumps(components, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        text = "The components of the template {template} are not Unicode."
        raise TemplateError("components_no_unicode", text, template=which) from None
    if "\\u0000" in text:
        raise TemplateError(
            "components_with_nul", "The components of the template {template} have NUL characters.", template=which
        )
    return components


def _read_status(word: object, which: str) -> str:
    if not isinstance(word, str) or not _WORD.fullmatch(word.upper()):
        text = "The template {template} has no status that can be read."
        raise TemplateError("template_status_unreadable", text, template=which)
    return read_template_status(word) or word.lower()


def _read_word(word: object) -> str:
    return word.upper() if isinstance(word, str) and _WORD.fullmatch(word.upper()) else ""


def list_shown(components: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the components of a template without the examples, which only Meta's reviewers see."""
    return [{key: value for key, value in part.items() if key != "example"} for part in components]


def is_marketing(category: str) -> bool:
    """Tell whether messages of this category are marketing. People wait for messages of the other categories."""
    return category.upper() not in {"UTILITY", "AUTHENTICATION"}
