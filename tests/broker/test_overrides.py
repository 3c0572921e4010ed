import pytest
from celery.worker.consumer import Consumer as CeleryConsumer

from campaigns.broker.consumer import Consumer
from campaigns.broker.overrides import require_names


def test_a_name_that_a_library_has_lost_is_refused_with_the_class_that_lacks_it():
    require_names(CeleryConsumer, ("connect",))
    with pytest.raises(RuntimeError, match="consumer cannot be used: Consumer has no handle_tasks, connect_all"):
        require_names(CeleryConsumer, ("connect", "handle_tasks", "connect_all"))


def test_the_consumer_overrides_no_other_method_of_celery_than_it_requires():
    overridden = {name for name in vars(Consumer) if not name.startswith("_")}
    assert {name for name in overridden if hasattr(CeleryConsumer, name)} == {"connect", "create_task_handler"}
