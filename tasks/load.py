"""The loading stage: what is new in the store becomes visible to SQL."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from warehouse import loader
from warehouse.loader import LoadReport
from warehouse.store import Store


@task(name="load", task_run_name="load", cache_policy=NO_CACHE)
def load(store: Store) -> LoadReport:
    """Load the store's new parts into the catalog and put it in place for readers."""
    return loader.load(store)
