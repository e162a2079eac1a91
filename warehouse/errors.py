"""What jobledger raises on purpose, on every floor. The failures of the API are a tree of their own in
`assets.api.errors`.
"""


class JobledgerError(Exception):
    """Anything that this project raises on purpose: the message says what happened, where, and what to do."""


class WrongUsage(JobledgerError):
    """The caller gave something that cannot work: an id, a month, a setting, an argument."""


class Interrupted(JobledgerError):
    """Somebody ended the run before it was done. What had landed is kept; nothing is half there."""


class Busy(JobledgerError):
    """Another run works on the same month and did not end in time. Nothing was changed."""


class LockLost(JobledgerError):
    """A lock that was held at a server is held no more. What was to be committed under it was not."""
