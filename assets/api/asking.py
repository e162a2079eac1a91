"""Asking about many jobs: several requests side by side, and no more of them once the token is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from assets.api.errors import ApiError, refuses_token
from assets.api.pool import side_by_side
from assets.api.protocol import Answer, Api


def ask_each(
    api: Api,
    ids: Sequence[str],
    ask: Callable[[str], Answer],
    threads: int,
    *,
    enough: Callable[[], bool] = lambda: False,
) -> Iterator[Answer | ApiError | None]:
    """Yield what `ask`, which asks `api`, returned or raised for each id, in the order of the ids.

    None stands for an id that was not asked about: an answer before it refused the token, or `enough` returned True,
    which is called before each request.
    """
    refused = False

    def one(job_id: str) -> Answer | ApiError | None:
        nonlocal refused
        if refused or enough():
            return None
        try:
            return ask(job_id)
        except ApiError as error:
            refused = refused or refuses_token(error)
            return error

    with side_by_side(api, threads) as pool:
        for start in range(0, len(ids), threads):  # in steps, so that what is learnt from one stops the next
            yield from pool.map(one, ids[start : start + threads])
