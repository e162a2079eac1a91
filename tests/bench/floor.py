"""The floor: what fetching a month into a file takes at least. The same pages read with requests, cut by msgspec, and
put by one typed `read_json` into one Parquet file: no versions, no checks, no tables by type, no marts.

`python -m tests.bench.floor URL MONTH FILE` prints how many jobs the file has.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import duckdb
import msgspec
import requests

from warehouse.months import window

COLUMNS: Final = {
    "id": "VARCHAR",
    "iTwinId": "VARCHAR",
    "userId": "VARCHAR",
    "name": "VARCHAR",
    "type": "VARCHAR",
    "state": "VARCHAR",
    "executionInfo": "STRUCT(createdDateTime TIMESTAMPTZ, startedDateTime TIMESTAMPTZ, endedDateTime TIMESTAMPTZ, "
    "estimatedUnits DOUBLE, processingUnits DOUBLE, exitCode BIGINT)",
    "specifications": "JSON",
}


class Page(msgspec.Struct, rename={"links": "_links"}):
    """A page of the list: its jobs as they stand, and its links."""

    jobs: list[msgspec.Raw]
    links: dict[str, dict[str, str]] = {}


def main() -> None:
    """Fetch a month."""
    url, month, file = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    bounds, decoder = window(month), msgspec.json.Decoder(Page)
    lines = file.with_suffix(".ndjson")
    asked: str | None = f"{url}/reality-analysis/jobs"
    params = {
        "$filter": f"createdDateTime ge {bounds.start:%FT%TZ} and createdDateTime lt {bounds.end:%FT%TZ}",
        "$top": "1000",
    }
    with requests.Session() as session, lines.open("wb") as out:
        while asked:
            page = decoder.decode(session.get(asked, params=params).content)
            out.writelines(bytes(job) + b"\n" for job in page.jobs)
            asked, params = page.links.get("next", {}).get("href"), {}
    with duckdb.connect() as con:
        source = f"read_json('{lines}', format = 'newline_delimited', columns = {COLUMNS})"
        con.execute(f"COPY (SELECT * FROM {source}) TO '{file}' (FORMAT parquet, COMPRESSION zstd)").fetchall()
        print(con.execute(f"SELECT count(*) FROM '{file}'").fetchall()[0][0])


if __name__ == "__main__":
    main()
