"""The names and passwords that users may have."""

from __future__ import annotations

import re
import unicodedata

from campaigns.domain.statement import Refusal

MIN_PASSWORD = 12
# Longer passwords are refused, so that a request cannot let the program hash megabytes.
MAX_PASSWORD = 256

_NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")
# A password that consists of one of these texts, perhaps with digits and signs around it, is one of the first guesses.
# Shorter common passwords are refused by their length.
_COMMON = frozenset({
    "password", "passwordpassword", "passw0rd", "senha", "senhasenha", "senhasegura", "minhasenha", "mudarsenha",
    "trocarsenha", "senhaforte", "administrador", "administrator", "admin", "adminadmin", "changeme", "changemenow",
    "letmein", "letmeinplease", "welcome", "bemvindo", "bemvinda", "iloveyou", "euteamo", "teamomuito", "qwerty",
    "qwertyuiop", "qwertyuiopasdf", "asdfghjkl", "qazwsxedcrfv", "abcdefghijkl", "correcthorsebatterystaple",
    "trustnoone", "whatsapp", "revoada", "flamengo", "corinthians", "palmeiras", "saopaulo", "brasil", "testtest",
    "football", "princess", "sunshine", "superman", "jesuscristo", "deusefiel", "deuseamor", "blackfriday",
    "secret", "topsecret", "mypassword", "yourpassword", "newpassword", "defaultpassword", "temporarypassword",
})  # fmt: skip
_MAX_REPEATED = 6
_TIMES = MAX_PASSWORD // 10 + 1
_LOOKALIKES = str.maketrans("013457@$", "oieastas")


def read_user_name(text: str) -> str:
    """Return the name of a user in lower case. Raises Refusal."""
    name = text.strip().lower()
    if not is_user_name(name):
        raise Refusal(
            "user_name_invalid",
            "A user's name has 1 to 64 letters from a to z, digits, or the signs . _ @ -, such as maria or"
            " maria@example.com. It begins with a letter or a digit.",
        )
    return name


def is_user_name(text: str) -> bool:
    """Tell whether a user may have this name."""
    return bool(_NAME.fullmatch(text))


def read_password(text: str, *, name: str) -> str:
    """Return a new password in the form in which it is hashed. Raises Refusal if it is easy to guess."""
    password = normalise_password(text)
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise Refusal(
            "password_length",
            "A password has at least {least} and at most {most} characters.",
            least=MIN_PASSWORD,
            most=MAX_PASSWORD,
        )
    if _is_easy(password, name):
        raise Refusal(
            "password_common",
            "This password is easy to guess. Take another one, for example four words that have nothing to do with each"
            " other.",
        )
    return password


def normalise_password(text: str) -> str:
    """Return the one form of all ways to type the same characters, because keyboards differ in how they send é."""
    return unicodedata.normalize("NFKC", text)


def _is_easy(password: str, name: str) -> bool:
    lower = password.casefold()
    for size in range(1, _MAX_REPEATED + 1):
        if (lower[:size] * len(lower))[: len(lower)] == lower:
            return True
    if lower.isdigit() and (lower in "0123456789" * _TIMES or lower in "9876543210" * _TIMES):
        return True
    core = re.sub(r"^[\W\d_]+|[\W\d_]+$", "", lower)
    words = {_keep_letters(lower), _keep_letters(core.translate(_LOOKALIKES))} - {""}
    own = {_keep_letters(name), _keep_letters(name.partition("@")[0])} - {""}
    return bool(words & _COMMON) or any(word.replace(each, "") == "" for word in words for each in own)


def _keep_letters(text: str) -> str:
    return re.sub(r"[\W\d_]+", "", text)
