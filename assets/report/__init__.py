"""The report: one HTML file that answers what people ask of the ledger, and opens without a network.

`questions` asks the ledger, `words` writes values, `sentences` says what is most asked for, `charts` draws, `costs`,
`times`, `outcomes`, `lineage` and `sections` say what each drawing shows, in the terms of `figures`; `page` puts all
into one file, and `making` decides when that is done.
"""
