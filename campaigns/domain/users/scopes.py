"""What a token of the API may do: one table, which tokens, routes and tests read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum, unique
from types import MappingProxyType

from campaigns.domain.users.rights import Right, Role, list_rights


@unique
class Scope(StrEnum):
    """A part of the API that a token opens. The value is a stable name."""

    ACCOUNTS_READ = "accounts:read"
    ACCOUNTS_WRITE = "accounts:write"  # add and change accounts and portfolios
    AUDIT_READ = "audit:read"
    CAMPAIGNS_READ = "campaigns:read"
    CAMPAIGNS_SEND = (
        "campaigns:send"  # start, test, approve, pause, resume, cancel, retry; apart from `write` on purpose
    )
    CAMPAIGNS_WRITE = "campaigns:write"  # make, change and discard drafts, add their people, ask for approval
    EXPORTS = "exports"  # files with phones
    HOOKS = "hooks"
    MESSAGES_READ = "messages:read"  # what single people get, with their phones
    SUPPRESSIONS_READ = "suppressions:read"
    SUPPRESSIONS_WRITE = "suppressions:write"
    SYSTEM_READ = "system:read"  # what is wrong, and the processes
    TEMPLATES_READ = "templates:read"
    TEMPLATES_SYNC = "templates:sync"  # read the templates from Meta again


# The rights that the owner of a token needs for each scope.
NEEDED_RIGHTS: Mapping[Scope, frozenset[Right]] = MappingProxyType({
    Scope.ACCOUNTS_READ: frozenset({Right.SEE}),
    Scope.ACCOUNTS_WRITE: frozenset({Right.ACCOUNT_CHANGE, Right.PORTFOLIO_CHANGE}),
    Scope.AUDIT_READ: frozenset({Right.SEE}),
    Scope.CAMPAIGNS_READ: frozenset({Right.SEE}),
    Scope.CAMPAIGNS_SEND: frozenset({
        Right.CAMPAIGN_START, Right.CAMPAIGN_PAUSE, Right.CAMPAIGN_RESUME, Right.CAMPAIGN_CANCEL, Right.CAMPAIGN_TEST,
        Right.CAMPAIGN_RETRY, Right.CAMPAIGN_APPROVE,
    }),
    Scope.CAMPAIGNS_WRITE: frozenset({Right.CAMPAIGN_DRAFT, Right.CAMPAIGN_ASK_APPROVAL}),
    Scope.EXPORTS: frozenset({Right.PHONES_DOWNLOAD}),
    Scope.HOOKS: frozenset({Right.HOOK_CHANGE}),
    Scope.MESSAGES_READ: frozenset({Right.PHONES_SEE}),
    Scope.SUPPRESSIONS_READ: frozenset({Right.PHONES_SEE}),
    Scope.SUPPRESSIONS_WRITE: frozenset({Right.SUPPRESSION_CHANGE}),
    Scope.SYSTEM_READ: frozenset({Right.SYSTEM_SEE}),
    Scope.TEMPLATES_READ: frozenset({Right.SEE}),
    Scope.TEMPLATES_SYNC: frozenset({Right.TEMPLATE_SYNC}),
})  # fmt: skip


def list_scopes(role: Role) -> frozenset[Scope]:
    """Return the scopes that a person of this role may give to a token."""
    rights = list_rights(role)
    return frozenset(scope for scope, needed in NEEDED_RIGHTS.items() if needed <= rights)


def allow_scopes(given: Iterable[str], role: Role) -> frozenset[Scope]:
    """Return the scopes that a token has now: those that it was given, as far as the role of its owner allows them.

    A scope that this version does not know counts as not given, because a newer version may have written it.
    """
    return list_scopes(role) & {Scope(each) for each in given if each in set(Scope)}
