"""The state of a running simulator: script, counts, limits and timers."""

import asyncio
import time
from collections import Counter
from typing import Any

from simulator.catalogue import RefusalError
from simulator.config import Account, Config
from simulator.ledger import Ledger
from simulator.limits import PairLimits, Throughput
from simulator.outcomes import OK, Kind, Script, Step, find_suffix, step_at
from simulator.reporting import Reporter
from simulator.statuses import draw
from simulator.wheel import Wheel

_UNSCRIPTED = Account()
_NO_SUCH_OBJECT = (
    "Unsupported {method} request. Object with ID '{id}' does not exist, cannot be loaded due to missing permissions, "
    "or does not support this operation. Please read the Graph API documentation at "
    "https://developers.facebook.com/docs/graph-api"
)


class State:
    def __init__(self, config: Config, loop: asyncio.AbstractEventLoop) -> None:
        self._initial_config = config
        self.config = config
        self.wheel = Wheel(loop)
        self.reporter = Reporter(loop, config.webhooks)
        self.base_url = ""
        self._clear_counts()

    def _clear_counts(self) -> None:
        self.ledger = Ledger()
        self._throughputs: dict[str, Throughput] = {}
        self._pairs = PairLimits()
        # The number of requests that each outcome with counts has had, by scope: ("account", id), ("phone", digits) …
        self._progress: Counter[tuple[str, str]] = Counter()

    def apply_script(self, patch: dict[str, Any]) -> None:
        """Change the script by a merge patch. If the patch is wrong, raise ConfigError and change nothing.

        Outcomes with a count that the patch names start again.
        """
        self.config = self.config.patched(patch)
        self.reporter.configure(self.config.webhooks)
        named = {("account", number) for number in patch.get("accounts") or ()}
        named |= {("health", number) for number in patch.get("accounts") or ()}
        for scope in tuple(self._progress):
            if (
                scope in named
                or (scope[0] == "category" and scope[1].partition(" ")[0] in (patch.get("accounts") or ()))
                or (scope[0] == "phone" and "suffixes" in patch)
                or (scope[0] == "all" and "outcome" in patch)
                or (scope[0] in {"debug_token", "subscribed_apps", "app_webhooks"} and scope[0] in patch)
            ):
                del self._progress[scope]

    def reset(self, *, keep_script: bool) -> None:
        """Clear counts, limits and pending webhooks; without `keep_script`, undo also every change of the script."""
        self._clear_counts()
        self.reporter.clear()
        if not keep_script:
            self.config = self._initial_config
            self.reporter.configure(self.config.webhooks)

    def check_token(self, authorization: bytes) -> None:
        scheme, _, token = authorization.partition(b" ")
        if scheme.lower() != b"bearer" or not token:
            raise RefusalError(190, message="An access token is required to request this resource.")
        if self.config.tokens and token not in self.config.tokens:
            raise RefusalError(190, message="Invalid OAuth access token - Cannot parse access token")

    def find_account(self, number: str, method: str) -> Account:
        account = self.config.accounts.get(number)
        if account is not None:
            return account
        if self.config.accept_unknown_accounts and number.isdecimal():
            return _UNSCRIPTED
        message = _NO_SUCH_OBJECT.format(method=method, id=number)
        raise RefusalError(100, " ", message=message, subcode=33, kind="GraphMethodException")

    def latency_of(self, number: str) -> float:
        account = self.config.accounts.get(number)
        return draw(self.config.latency_ms if account is None or account.latency_ms is None else account.latency_ms)

    def account_step(self, number: str, account: Account) -> Step:
        """Return the outcome for all sends or, if that is OK, the outcome for sends of this number."""
        step = self._advance(("all", ""), self.config.outcome)
        return step if step.kind is not Kind.OK else self._advance(("account", number), account.outcome)

    def category_step(self, number: str, account: Account, category: str) -> Step:
        """Return the outcome for this number's sends with templates of a category."""
        return self._advance(("category", f"{number} {category}"), account.category_outcomes.get(category, (OK,)))

    def phone_step(self, digits: str) -> Step:
        script = find_suffix(self.config.suffixes_by_length, digits)
        return OK if script is None else self._advance(("phone", digits), script)

    def health_step(self, number: str, account: Account) -> Step:
        return self._advance(("health", number), account.health, after=Step(Kind.GREEN))

    def list_step(self, waba: str) -> Step:
        return self._advance(("templates", waba), self.config.template_reads)

    def debug_token_step(self) -> Step:
        return self._advance(("debug_token", ""), self.config.debug_token)

    def subscribed_apps_step(self) -> Step:
        return self._advance(("subscribed_apps", ""), self.config.subscribed_apps)

    def app_webhooks_step(self) -> Step:
        return self._advance(("app_webhooks", ""), self.config.app_webhooks)

    def _advance(self, scope: tuple[str, str], script: Script, after: Step = OK) -> Step:
        if script[:1] and script[0].times is None:
            return script[0]
        step = step_at(script, self._progress[scope], after)
        self._progress[scope] += 1
        return step

    def take_throughput(self, number: str, account: Account) -> None:
        limit = account.messages_per_second
        rate = self.config.limits.messages_per_second if limit is None else limit
        if not rate:
            return
        now = time.monotonic()
        throughput = self._throughputs.get(number)
        if throughput is None:
            throughput = self._throughputs[number] = Throughput(rate, now)
        if not throughput.take(rate, now):
            raise RefusalError(130429)

    def take_pair(self, number: str, digits: str) -> None:
        limits = self.config.limits
        if limits.pair_seconds and not self._pairs.take(
            (number, digits), seconds=limits.pair_seconds, burst=limits.pair_burst, now=time.monotonic()
        ):
            raise RefusalError(131056)
