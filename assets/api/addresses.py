"""Addresses to which a token or a secret may be sent."""

import ipaddress
from urllib.parse import urlsplit

from assets.api.errors import WrongUsage


def secure_url(url: str) -> str:
    """`url` without a slash at its end, if a secret may be sent there; else raises WrongUsage.

    It must be https, or http to a loopback address, and hold no user, query or fragment.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
        parts = urlsplit("")
    if not host or parts.scheme not in ("https", "http"):
        raise WrongUsage("an address is not readable: give one such as https://api.bentley.com")
    if parts.username is not None or parts.query or parts.fragment:
        raise WrongUsage(f"the address at {host} must have no user, query or fragment")
    if parts.scheme == "http" and not is_loopback(url):
        raise WrongUsage(f"plain http would show the token to everyone on the way to {host}: use https")
    return url.rstrip("/")


def is_loopback(url: str) -> bool:
    """Whether a URL names this machine."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
