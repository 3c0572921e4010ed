"""Runs a stand-in for Meta's Graph API on this machine."""

import argparse
import errno
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from simulator.config import Config, ConfigError, Json, Webhooks, list_keys, merge
from simulator.server import run

_SHORT = {"callback_url", "app_secret"}


def main(
    argv: Sequence[str] | None = None,
    *,
    prog: str = "python -m simulator",
    translate: Callable[[str], str] = str,
) -> None:
    """Serve until SIGTERM or SIGINT. If an option or the script is wrong, print one line and exit with 2.

    `translate` returns a text of the help in the language of the person.
    """
    parser = _build_parser(prog, translate)
    options = parser.parse_args(argv)
    try:
        config = Config.load(_build_script(options))
    except (ConfigError, OSError, json.JSONDecodeError) as error:
        parser.error(str(error))
    try:
        run(config, host=options.host, port=options.port, tls_port=options.tls_port, ca_file=options.ca_file)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        text = translate(
            "Port {port} is in use by another program, which may be another simulator. Choose another port with --port,"
            " and write it into GRAPH_API_URL, too."
        )
        parser.exit(1, f"{prog}: {text.format(port=options.port)}\n")


def _build_parser(prog: str, translate: Callable[[str], str]) -> argparse.ArgumentParser:
    def read_value(text: str) -> Any:
        """Read an option as JSON: 0.5, true, [100, 200]."""
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            problem = translate("{text!r} is not a number, true, false or [low, high]").format(text=text)
            raise argparse.ArgumentTypeError(problem) from error

    about = translate("Runs a stand-in for Meta's Graph API on this machine.")
    parser = argparse.ArgumentParser(prog=prog, description=about, argument_default=argparse.SUPPRESS)
    add = parser.add_argument
    add("--host", default="127.0.0.1", help=translate("address to listen on (default: %(default)s)"))
    add("--port", type=int, default=0, help=translate("port to listen on; 0: a free port (default: 0)"))
    ca_file = translate("serve https, too, and write the certificate that clients must trust to this file")
    add("--ca-file", type=Path, default=None, metavar="FILE.pem", help=ca_file)
    add("--tls-port", type=int, default=0, help=translate("port of https; 0: a free port (default: 0)"))
    script = translate("the script, as for POST /_simulator/script")
    add("--script", type=Path, default=None, metavar="FILE.json", help=script)
    add("--callback-url", help=translate("URL that webhooks are posted to"))
    add("--app-secret", help=translate("key of the webhooks' signature (default: META_APP_SECRET)"))
    latency = translate("milliseconds until an answer")
    add("--latency-ms", type=read_value, metavar="N|[LOW,HIGH]", help=latency)
    add("--mps", type=float, help=translate("messages per second of one number (default: 80)"))
    add("--no-limits", action="store_true", default=False, help=translate("no rate limits"))
    webhooks = parser.add_argument_group("webhooks", translate("times are in milliseconds: N or [LOW,HIGH]"))
    for name, (_, note) in list_keys(Webhooks).items():
        if name not in _SHORT:
            option = f"--webhook-{name.replace('_', '-')}"
            webhooks.add_argument(option, type=read_value, metavar="VALUE", help=translate(note))
    return parser


def _build_script(options: argparse.Namespace) -> Json:
    """Merge the environment, the file and the options, each of which overrides the one before."""
    given = vars(options)
    webhooks = {key: given[key] for key in _SHORT if key in given}
    webhooks |= {key.removeprefix("webhook_"): value for key, value in given.items() if key.startswith("webhook_")}
    limits: Json = {"messages_per_second": given["mps"]} if "mps" in given else {}
    if options.no_limits:
        limits = {"messages_per_second": 0, "pair_seconds": 0}
    from_options: Json = {"webhooks": webhooks, "limits": limits}
    if "latency_ms" in given:
        from_options["latency_ms"] = options.latency_ms
    script: Json = {}
    if secret := os.environ.get("META_APP_SECRET"):
        script = {"webhooks": {"app_secret": secret}}
    if options.script is not None:
        document = json.loads(options.script.read_text(encoding="utf-8"))
        if not isinstance(document, dict):
            raise ConfigError(f"{options.script}: expected an object")
        script = merge(script, document)
    return merge(script, from_options)


if __name__ == "__main__":
    main()
