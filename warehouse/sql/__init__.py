"""The SQL of the ledger below the marts, one statement a file, each with a head comment."""

from __future__ import annotations

from importlib import resources

import duckdb

from warehouse.engine import run


def statement(name: str) -> str:
    """The text of `<name>.sql`; folders are separated by a slash: 'flatten/jobs'."""
    return resources.files(__name__).joinpath(f"{name}.sql").read_text(encoding="utf-8")


def statements(folder: str) -> list[str]:
    """The texts of all statements of a folder, in the order of their names."""
    files = resources.files(__name__).joinpath(folder).iterdir()
    return [file.read_text(encoding="utf-8") for file in sorted(files, key=lambda file: file.name)]


def run_macros(con: duckdb.DuckDBPyConnection, text: str | None = None, *, temporary: bool = False) -> None:
    """Define the macros of a file's text in a connection; without a text, those that the statements here use.

    Temporary ones can be defined where a database is only read, and are there in this connection alone.
    """
    wanted = statement("macros") if text is None else text
    for macro in filter(None, wanted.strip().removesuffix(";").split(";\n")):
        run(con, macro.replace("OR REPLACE MACRO", "OR REPLACE TEMP MACRO") if temporary else macro)
