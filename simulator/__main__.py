"""`python -m simulator`: a Graph API on this machine."""

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from simulator.config import Config, ConfigError, Json, Webhooks, knobs_of, merge
from simulator.server import run

_SHORT = {"callback_url", "app_secret"}


def main(argv: Sequence[str] | None = None, *, prog: str = "python -m simulator") -> None:
    """Serve until a signal; exits with 2 and one line on wrong options or a wrong script."""
    parser = _build_parser(prog)
    options = parser.parse_args(argv)
    try:
        config = Config.load(_build_script(options))
    except (ConfigError, OSError, json.JSONDecodeError) as error:
        parser.error(str(error))
    run(config, host=options.host, port=options.port)


def _build_parser(prog: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=prog, description=__doc__, argument_default=argparse.SUPPRESS)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on, 0 takes a free one (default: 0)")
    parser.add_argument(
        "--script", type=Path, default=None, metavar="FILE.json", help="a script as for POST /_simulator/script"
    )
    parser.add_argument("--callback-url", help="where webhooks are posted to")
    parser.add_argument("--app-secret", help="key of their signature (default: META_APP_SECRET)")
    parser.add_argument("--latency-ms", type=_read_value, metavar="N|[LOW,HIGH]", help="time until an answer")
    parser.add_argument("--mps", type=float, help="messages per second of one number (default: 80)")
    parser.add_argument("--no-limits", action="store_true", default=False, help="neither throughput nor pair limit")
    webhooks = parser.add_argument_group("webhooks", "times are milliseconds, N or [LOW,HIGH]")
    for name, (_, note) in knobs_of(Webhooks).items():
        if name not in _SHORT:
            option = f"--webhook-{name.replace('_', '-')}"
            webhooks.add_argument(option, type=_read_value, metavar="VALUE", help=note)
    return parser


def _read_value(text: str) -> Any:
    """Read an option as JSON: 0.5, true, [100, 200]."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number, true, false or [low, high]") from error


def _build_script(options: argparse.Namespace) -> Json:
    """Merge file, environment and options; the later one wins."""
    given = vars(options)
    webhooks = {key: given[key] for key in _SHORT if key in given}
    webhooks |= {key.removeprefix("webhook_"): value for key, value in given.items() if key.startswith("webhook_")}
    limits: Json = {"messages_per_second": given["mps"]} if "mps" in given else {}
    if options.no_limits:
        limits = {"messages_per_second": 0, "pair_seconds": 0}
    wanted: Json = {"webhooks": webhooks, "limits": limits}
    if "latency_ms" in given:
        wanted["latency_ms"] = options.latency_ms
    script: Json = {}
    if secret := os.environ.get("META_APP_SECRET"):
        script = {"webhooks": {"app_secret": secret}}
    if options.script is not None:
        document = json.loads(options.script.read_text(encoding="utf-8"))
        if not isinstance(document, dict):
            raise ConfigError(f"{options.script}: expected an object")
        script = merge(script, document)
    return merge(script, wanted)


if __name__ == "__main__":
    main()
