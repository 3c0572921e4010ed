"""Reads the end of a button's link from the text that a person gives. This text is often a whole link."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote

from campaigns.domain.text.normal import trim

_SCHEME = re.compile(r"https?://", re.IGNORECASE)
_WHOLE_LINK = re.compile(r"[a-z][a-z0-9+.-]*://|//(?=[^/?#]*\.)|(?=www\.)", re.IGNORECASE)
# The beginning of a whole link with a mistake in it, as in https:/loja.example and https//loja.example.
_BROKEN_SCHEME = re.compile(r"h?t{1,2}ps?\s*(?:[:;]|[/\\])", re.IGNORECASE)
# A host without a scheme before a path, as in bit.ly/abc. The endings of files, as in index.php/tv, are no such hosts.
_LIKELY_HOST = re.compile(
    r"[a-z0-9-]+(?:\.[a-z0-9-]+)*\.(?!(?:php|html?|aspx?|jsp|cgi|do)/)[a-z]{2,}(?::[0-9]+)?/", re.IGNORECASE
)
_HOST = re.compile(r"[^/?#]*")
# A host that a reason may repeat. A host with more digits than this may be a phone.
_SHOWN_HOST = re.compile(r"(?=.*[^\W\d_])(?!(?:\D*[0-9]){7})[\w.@-]{1,60}(?::[0-9]+)?")
_LONE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SAFE = "%/?#[]@!$&'()*+,;=:~-._"  # characters that have a meaning in a link, or need no percent code
_SHOWN = 60


class LinkError(ValueError):
    """The reason why a text is no end of a link. The reason continues a sentence that begins with a column's name."""


def read_suffix(text: str, prefix: str) -> str:
    """Return the end of the link whose beginning is `prefix`, in ASCII, or raise LinkError.

    If the text is a whole link, it must begin as the template's link does, and this beginning is removed, because Meta
    puts the beginning before each value. A part of the beginning is removed as well: for the beginning
    https://loja.example/p?id= the texts p?id=7, ?id=7 and id=7 are read as 7. Spaces and accents are written as percent
    codes; existing percent codes stay as they are.
    """
    host, path = _split(_SCHEME.sub("", prefix))
    suffix = _remove_prefix(trim(text), host, path)
    suffix = re.sub(r"\A/{2,}", "/", suffix)
    if path.endswith("/"):
        suffix = suffix.lstrip("/")
    elif not path and suffix and suffix[0] not in "/?#":
        suffix = f"/{suffix}"  # else the value would become a part of the name of the host
    if not suffix:
        raise LinkError("has nothing behind the beginning of the button's link")
    return _encode(suffix)


def _split(link: str) -> tuple[str, str]:
    """Return the host of a link without its scheme, and all that follows the host."""
    host = _HOST.match(link)
    end = host.end() if host else 0
    return link[:end], link[end:]


def _remove_prefix(text: str, host: str, path: str) -> str:
    is_whole = _WHOLE_LINK.match(text) is not None
    if not is_whole and _BROKEN_SCHEME.match(text):
        raise LinkError("begins like a link, but not with https://: correct it, or keep only the end of the link")
    its_host, rest = _split(_WHOLE_LINK.sub("", text, count=1) if is_whole else text)
    if _bare_host(its_host) != _bare_host(host):
        if is_whole or _LIKELY_HOST.match(text):
            if _SHOWN_HOST.fullmatch(its_host):
                raise LinkError(f"is a link to {its_host}, and the button's link leads to {host}")
            raise LinkError(f"is a link to another site, and the button's link leads to {host}")
        return _remove_repeated(text, path)
    if rest.startswith(path):
        return rest[len(path) :]
    if rest == path.rstrip("/"):
        return ""
    raise LinkError(f"is a link that does not begin with {host}{path[:_SHOWN]}, as the button's link does")


def _remove_repeated(text: str, path: str) -> str:
    """Return a text without the part of `path` that it repeats, if that part ends where a value of the link begins."""
    if not path.endswith(("/", "=", "#")):
        return text
    starts = (i for i in range(len(path)) if path[i] in "/?&#" or path[i - 1 : i] in {"/", "?", "&", "#"})
    parts = (path[start:] for start in starts)
    return next((text[len(part) :] for part in parts if part.strip("/#") and text.startswith(part)), text)


def _bare_host(host: str) -> str:
    return host.casefold().removeprefix("www.").removesuffix(":443")


def _encode(text: str) -> str:
    if text.isascii() and text.isprintable() and " " not in text and "%" not in text:
        return text
    return quote(_LONE_PERCENT.sub("%25", unicodedata.normalize("NFC", text)), safe=_SAFE)
