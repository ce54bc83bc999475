"""JSONP: polling for clients that can only load scripts and post forms.

A response is a script that calls the client's callback with the payload as a string. A
request is a form with the payload in its field ``d``.
"""

from __future__ import annotations

import json
import re
from typing import Final
from urllib.parse import unquote_to_bytes

from txengineio.protocol.text import decode_utf8

__all__ = ["unwrap_jsonp_form", "wrap_jsonp"]

# Inside a string, JavaScript before 2019 took the two separators for ends of lines, and
# HTML takes "</script" and "<!--" for its own wherever they stand. These escapes exist
# in JSON and in JavaScript alike, so the value stays what it is.
_ESCAPES: Final = str.maketrans(
    {"\u2028": "\\u2028", "\u2029": "\\u2029", "<": "\\u003c"}
)

# The field, whose name may be written in two ways. A megabyte may be a million other
# fields, too many to look at each.
_PAYLOADS: Final = re.compile(rb"(?:\A|&)(?:d|%64)(?:=([^&]*))?(?=&|\Z)")


def wrap_jsonp(index: str, payload: str) -> str:
    """Return the script that hands a payload to the client.

    Args:
        index: The digits of the request's ``j``, see `SessionQuery.jsonp_index`.
        payload: A text payload; there is no JSONP for a binary one.
    """
    string = json.dumps(payload, ensure_ascii=False).translate(_ESCAPES)
    return f"___eio[{index}]({string});"


def unwrap_jsonp_form(body: bytes) -> str | None:
    r"""Return the payload in a posted form, or None if there is not exactly one.

    Clients write a line feed as ``\n``, since browsers change the real ones in forms,
    and the two characters ``\n`` with a second backslash.

    Raises:
        PacketDecodeError: The payload is not UTF-8.
    """
    payloads: list[bytes] = _PAYLOADS.findall(body)
    if len(payloads) != 1:
        return None
    payload = unquote_to_bytes(payloads[0].replace(b"+", b" "))
    pieces = decode_utf8(payload).split("\\\\n")
    return "\\n".join(piece.replace("\\n", "\n") for piece in pieces)
