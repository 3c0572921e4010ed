"""The parts of a worker process: its shared resources, its steps and signal handlers, and its watchdog."""
