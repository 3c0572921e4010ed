"""`make bench` measures how fast Revoada is on this machine. `ARGS='sending growth'` runs two, `ARGS=--list` names all.

Each benchmark is a separate process, which prints a table and writes benchmarks/results/<name>.json. The first lines of
its module describe what it measures, and name the environment variables that set its size. The exit code is 1 if a
check of correctness failed. Rates do not change the exit code.
"""

from __future__ import annotations

import argparse
import ast
import subprocess
import sys
import time
from pathlib import Path

NAMES = (
    *("sending", "tls", "limits", "growth", "history", "importing", "audiences", "uploading", "webhooks", "bodies"),
    *("applying", "storm", "many", "posts", "viewers", "programs", "pages", "metrics", "whole"),
)
# These need root, and run only if they are named.
ON_REQUEST = ("scaling",)
_FOLDER = Path(__file__).parent


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", description="Measure how fast Revoada is on this machine.")
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"benchmarks to run (default: {', '.join(NAMES)}); only if named: {', '.join(ON_REQUEST)}",
    )
    parser.add_argument("--list", action="store_true", help="describe what each benchmark measures")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - {*NAMES, *ON_REQUEST}:
        parser.error(
            f"There is no benchmark {', '.join(sorted(unknown))}. Benchmarks: {', '.join((*NAMES, *ON_REQUEST))}."
        )
    if arguments.list:
        for name in (*NAMES, *ON_REQUEST):
            print(f"{name:10} {describe(name)}")
        return 0
    codes = {name: run(name) for name in arguments.names or NAMES}
    if wrong := [name for name, code in codes.items() if code != 0]:
        print(f"\nWrong: {', '.join(wrong)}", file=sys.stderr)
    return 1 if wrong else 0


def run(name: str) -> int:
    print(f"\n{describe(name)}", flush=True)
    began = time.monotonic()
    code = subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode
    print(f"  {name} took {time.monotonic() - began:.0f} s", flush=True)
    return code


def describe(name: str) -> str:
    """Return the first sentence of a benchmark's module."""
    source = (_FOLDER / f"{name}.py").read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(source)) or "").split("\n\n")[0].replace("\n", " ")


if __name__ == "__main__":
    sys.exit(main())
