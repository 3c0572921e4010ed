"""The keys of people in addresses, and how a page shows a person.

Logs of proxies and the history of a browser keep addresses. So an address has no phone, but an encrypted key, which is
valid for some hours.
"""

from __future__ import annotations

from flask import abort

from campaigns.domain.phone.mask import mask_number, mask_numbers
from campaigns.domain.users.rights import Right
from campaigns.secrets import open_key, seal_key
from console.context import may, parts
from console.texts import _

# A session without requests ends after the same time.
KEY_SECONDS = 12 * 3600


def seal(key: str, *, kind: str = "person") -> str:
    """Return a key for an address. `kind`: what the key means, so that no key can be used as one of another kind."""
    return seal_key(parts().settings.secret_key or "", f"{kind} {key}")


def unseal(sealed: str, *, kind: str = "person") -> str:
    """Return the key in an address. Answers the request with 404 if the address is too old or was not made here."""
    found, _space, key = (open_key(parts().settings.secret_key or "", sealed, seconds=KEY_SECONDS) or "").partition(" ")
    if found != kind:
        abort(404, _("This address is older than 12 hours, or it is not complete. Search for the person again."))
    return key


def show_phone(key: str) -> str:
    """Return a phone or a user id as the present user may see it."""
    return key if may(Right.PHONES_SEE) else mask_number(key)


def show_words(text: str, is_personal: bool = True) -> str:  # noqa: FBT001, FBT002  templates pass it by its place
    """Return a text without the numbers in it that the present user may not see.

    `is_personal`: the text is about a person; else it is returned as it is.
    """
    return mask_numbers(text) if is_personal and not may(Right.PHONES_SEE) else text
