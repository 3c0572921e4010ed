"""What Meta lists of a template: read once, so that whatever else it sends can neither be stored nor stop a sync."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from campaigns.domain.template import TemplateError, check_identity

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
