"""How the API is asked: tokens, the budget of requests, filters, the client, and its failures.

What the answers mean for the ledger is not known here: that is the business of `assets.walk` and what follows it.
"""
