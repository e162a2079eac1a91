"""Whole publishes of the lake in object storage: pushed, listed, pulled and compared.

A publish is a `Snapshot`: the files of every table, under names that never change. `snapshot.json` names the newest one
and lists those that are kept; whoever begins with it sees one whole publish. See docs/lake.md.
"""
