from fixtures import flow, pytest_runtest_makereport, redis_url, simulator_url

__all__ = ["flow", "pytest_runtest_makereport", "redis_url", "simulator_url"]
