"""How bodies are read: what servers put around or into JSON that a strict parser would refuse.

Nothing here knows what a body means. A body that cannot be read raises ValueError.
"""

import codecs
import re
from typing import Final, TypeVar

import msgspec

from warehouse.contract.names import SECRET_KEYS

T = TypeVar("T")

_ESCAPES: Final = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u([0-9a-fA-F]{4})|.)", re.DOTALL
)

_SECRET_KEY: Final = re.compile(
    b'(?i)("(?:' + b"|".join(key.encode() for key in sorted(SECRET_KEYS)) + rb')"\s*:\s*)"(?:[^"\\]|\\.)*"?', re.DOTALL
)
_SIGNED_URL: Final = re.compile(
    rb'(?i)"https?:(?:[^"\\]|\\.)*?(?:[?&]|\\u0026)(?:sig|signature|x-amz-signature|x-goog-signature)=(?:[^"\\]|\\.)*"?'
)


def without_mark(body: bytes) -> bytes:
    """A body without the byte order mark that some servers put before UTF-8."""
    return body.removeprefix(codecs.BOM_UTF8)


def decoded(body: bytes, shape: type[T]) -> T:
    """JSON as `shape`. Raises ValueError, which says what is wrong and where."""
    try:
        return msgspec.json.decode(body, type=shape)
    except RecursionError:
        raise ValueError("JSON is nested too deep") from None


def mended(body: bytes) -> bytes:
    """JSON whose text can be read: halves of a surrogate pair and bytes that are not UTF-8 become U+FFFD.

    What can be read stays as it was sent, byte for byte.
    """
    return _ESCAPES.sub(_whole, body).decode(errors="replace").encode()


def without_signed_urls(body: bytes) -> bytes:
    """A body with null in place of each signed URL: what such a key holds, and any URL that carries a signature."""
    return _SIGNED_URL.sub(b"null", _SECRET_KEY.sub(rb"\1null", body))


def _whole(escape: re.Match[bytes]) -> bytes:
    """An escape of JSON as it is; the half of a surrogate pair, without its other half, as U+FFFD."""
    unit = escape.group(1)
    return rb"\ufffd" if unit and 0xD800 <= int(unit, 16) <= 0xDFFF else escape.group()
