"""A stand-in for Meta's Graph API: sends, health, templates, signed webhooks, and the faults of each. It uses one core.

It imports nothing of the product, so that it cannot share a mistake with it. `README.md` is the manual.
"""

from simulator.config import Config, ConfigError
from simulator.server import run

__all__ = ["Config", "ConfigError", "run"]
