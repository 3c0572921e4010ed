"""What each role may do: one table, which pages, routes and tests read."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum, unique
from types import MappingProxyType


class Role(StrEnum):
    """A person's role. Each role may do all that the role before it may do."""

    VIEWER = "viewer"
    PLANNER = "planner"
    OPERATOR = "operator"
    ADMIN = "admin"


@unique
class Right(StrEnum):
    """Something that a person may do. The value is a stable name."""

    SEE = "all.see"  # all pages, with masked phones
    CAMPAIGN_DRAFT = "campaign.draft"  # make and change drafts, add their recipients, preview them
    CAMPAIGN_ASK_APPROVAL = "campaign.ask_approval"
    ACCOUNT_CHECK = "account.check"  # ask Meta for the health of an account
    CAMPAIGN_APPROVE = "campaign.approve"
    CAMPAIGN_CANCEL = "campaign.cancel"
    CAMPAIGN_CHANGE = "campaign.change"  # change a campaign that was started
    CAMPAIGN_PAUSE = "campaign.pause"
    CAMPAIGN_RESUME = "campaign.resume"
    CAMPAIGN_RETRY = "campaign.retry"
    CAMPAIGN_START = "campaign.start"
    CAMPAIGN_TEST = "campaign.test"
    OPTOUT_REVIEW = "optout.review"
    PHONES_DOWNLOAD = "phones.download"
    PHONES_SEE = "phones.see"
    SUPPRESSION_CHANGE = "suppression.change"
    TEMPLATE_SYNC = "template.sync"
    ACCOUNT_CHANGE = "account.change"  # add, change, activate and deactivate accounts; their tokens
    CAMPAIGN_RETRY_UNCERTAIN = "campaign.retry_uncertain"  # some people may get a message twice
    HOOK_CHANGE = "hook.change"  # see, add, change and remove hooks, and send events again
    PERSON_FORGET = "person.forget"
    PORTFOLIO_CHANGE = "portfolio.change"
    PRICES_CHANGE = "prices.change"  # load and remove prices of messages
    SYSTEM_REPAIR = "system.repair"
    SYSTEM_SEE = "system.see"  # processes, queues and settings, without secrets
    TEMPLATE_ADD = "template.add"
    TOKEN_CHANGE = "token.change"  # noqa: S105  see and revoke the tokens of all users
    USER_CHANGE = "user.change"


# The rights that a role adds to the rights of the role before it.
_ADDED: Mapping[Role, frozenset[Right]] = MappingProxyType({
    Role.VIEWER: frozenset({Right.SEE}),
    Role.PLANNER: frozenset({Right.CAMPAIGN_DRAFT, Right.CAMPAIGN_ASK_APPROVAL}),
    Role.OPERATOR: frozenset({
        Right.ACCOUNT_CHECK,
        Right.CAMPAIGN_APPROVE,
        Right.CAMPAIGN_CANCEL,
        Right.CAMPAIGN_CHANGE,
        Right.CAMPAIGN_PAUSE,
        Right.CAMPAIGN_RESUME,
        Right.CAMPAIGN_RETRY,
        Right.CAMPAIGN_START,
        Right.CAMPAIGN_TEST,
        Right.OPTOUT_REVIEW,
        Right.PHONES_DOWNLOAD,
        Right.PHONES_SEE,
        Right.SUPPRESSION_CHANGE,
        Right.SYSTEM_SEE,
        Right.TEMPLATE_SYNC,
    }),
    Role.ADMIN: frozenset({
        Right.ACCOUNT_CHANGE,
        Right.CAMPAIGN_RETRY_UNCERTAIN,
        Right.HOOK_CHANGE,
        Right.PERSON_FORGET,
        Right.PORTFOLIO_CHANGE,
        Right.PRICES_CHANGE,
        Right.SYSTEM_REPAIR,
        Right.TEMPLATE_ADD,
        Right.TOKEN_CHANGE,
        Right.USER_CHANGE,
    }),
})  # fmt: skip


def list_rights(role: Role) -> frozenset[Right]:
    """Return all rights of a role, with the rights of the roles before it."""
    roles = list(Role)
    return frozenset().union(*(_ADDED[each] for each in roles[: roles.index(role) + 1]))
