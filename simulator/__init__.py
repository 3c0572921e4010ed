"""A stand-in for Meta's Graph API on one core: sends, health, templates, signed webhooks, and every way they go wrong.

It imports nothing of the product, so that it can disagree with it. `README.md` is the manual.
"""

from simulator.config import Config, ConfigError
from simulator.server import run

__all__ = ["Config", "ConfigError", "run"]
