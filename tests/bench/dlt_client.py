"""The competitor: dlt's `rest_api` source into DuckDB, merging on `id`, with its defaults.

`python -m tests.bench.dlt_client URL MONTH FOLDER [FORMAT]`; FORMAT is the loader files' format, dlt's own if missing.
It loads the table `jobs` of the dataset `bench` in FOLDER/jobs.duckdb.
"""

from __future__ import annotations

import sys
from pathlib import Path

import dlt
from dlt.sources.rest_api import rest_api_source

from warehouse.months import window


def main() -> None:
    """Loads a month."""
    url, month, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    loader_files = sys.argv[4] if len(sys.argv) > 4 else None
    bounds = window(month)
    asked = f"createdDateTime ge {bounds.start:%FT%TZ} and createdDateTime lt {bounds.end:%FT%TZ}"
    source = rest_api_source(
        {
            "client": {
                "base_url": url,
                "auth": {"type": "bearer", "token": "bench"},
                "paginator": {"type": "json_link", "next_url_path": "_links.next.href"},
            },
            "resources": [
                {
                    "name": "jobs",
                    "primary_key": "id",
                    "write_disposition": "merge",
                    "endpoint": {
                        "path": "reality-analysis/jobs",
                        "params": {"$filter": asked, "$top": 1000},
                        "data_selector": "jobs",
                    },
                }
            ],
        }
    )
    pipeline = dlt.pipeline(
        "bench",
        destination=dlt.destinations.duckdb(str(folder / "jobs.duckdb")),
        dataset_name="bench",
        pipelines_dir=str(folder / "pipelines"),
    )
    pipeline.run(source, loader_file_format=loader_files).raise_on_failed_jobs()


if __name__ == "__main__":
    main()
