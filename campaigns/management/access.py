"""Asks Meta whether an access token may use a phone number, before an account with both is stored."""

from __future__ import annotations

from campaigns.config import Settings
from campaigns.domain.statement import Entry, Field, Hint, HintAction, Kind, Refusal, Sentence, Word
from campaigns.domain.verdict import Blame
from campaigns.secrets import TokenError, decrypt_token
from campaigns.store.accounts import load_accounts
from campaigns.store.database import Database
from campaigns.whatsapp.graph import GraphError, read_registration

# A failure with one of these blames does not show that the token or the phone number is wrong.
_PASSING = frozenset({Blame.THROTTLE, Blame.SERVER})


def try_access(settings: Settings, *, account: str, phone_number_id: str, token: str) -> Sentence | None:
    """Read the phone number from Meta with this token. Return a warning if Meta cannot answer now, else None.

    Raises Refusal, which quotes Meta's text, if Meta refuses the token or the number.
    """
    try:
        read_registration(
            settings.graph_api_url,
            phone_number_id,
            token,
            connect_timeout=settings.connect_timeout_seconds,
            timeout=settings.health_timeout_seconds,
        )
    except GraphError as error:
        if error.failure is None or error.failure.blame in _PASSING:
            return Sentence(
                "Meta could not be asked whether the token may use the number: {why}. {check} asks again.",
                why=error.full_text,
                check=Hint(HintAction.CHECK_ACCOUNT, account),
            )
        raise Refusal(
            "meta_refuses",
            "Meta refuses phone number {phone_number_id} with this token: {said} (code {code}: {meaning}). Nothing was"
            " changed. Correct the token or the phone number id and try again; {unchecked} stores them without asking"
            " Meta.",
            kind=Kind.INVALID,
            phone_number_id=phone_number_id,
            said=error.said or error.reason,
            code=error.failure.code,
            meaning=Word(error.failure.meaning),
            unchecked=Entry(Field.UNCHECKED),
        ) from None
    return None


def try_change(
    database: Database, settings: Settings, account_id: int, *, phone_number_id: str | None, token: str | None
) -> Sentence | None:
    """Ask Meta whether an account's token may use its phone number, before one of the two is changed.

    `phone_number_id` or `token` None: the account keeps this value. Returns a warning if the stored token cannot be
    decrypted, or if Meta cannot answer now. Raises Refusal if Meta refuses the token or the number.
    """
    (row,) = database.run(load_accounts, [account_id])
    if token is None:
        try:
            token = decrypt_token(settings.secret_key or "", row.token)
        except TokenError as error:
            return Sentence(
                "Meta could not be asked whether the token may use the number. {why}",
                why=error.aim(account=[row.name]),
            )
    number = phone_number_id or row.phone_number_id
    return try_access(settings, account=row.name, phone_number_id=number, token=token)
