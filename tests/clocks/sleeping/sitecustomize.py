"""Lets processes sleep under libfaketime 0.9.10, whose clock_nanosleep refuses the absolute times of Python's sleep."""

import select
import time

time.sleep = lambda seconds: select.select([], [], [], seconds) and None
