"""Asking side by side: threads that wait for the API, and that end when the run does."""

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from assets.api.protocol import Api


@contextmanager
def side_by_side(api: Api, threads: int) -> Generator[ThreadPoolExecutor]:
    """A pool of at most `threads` threads that ask `api`.

    An interruption (Ctrl-C, the end of a Dagster run) ends their waiting at once; an error lets those that ask finish,
    and starts no other.
    """
    with ThreadPoolExecutor(max(1, threads)) as pool:
        try:
            yield pool
        except BaseException as error:
            pool.shutdown(wait=False, cancel_futures=True)
            if not isinstance(error, (Exception, GeneratorExit)):
                api.interrupt()
            raise
