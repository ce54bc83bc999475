"""The codecs of all protocol revisions, by number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from txengineio.errors import LocalProtocolError
from txengineio.protocol.codec import Codec
from txengineio.protocol.revision3 import Revision3Codec
from txengineio.protocol.revision4 import Revision4Codec

__all__ = ["CODECS", "codec_for"]

CODECS: Final[Mapping[int, Codec]] = {
    codec.revision: codec for codec in (Revision3Codec(), Revision4Codec())
}
"""The one instance of each codec."""


def codec_for(revision: int) -> Codec:
    """Return the codec of a protocol revision.

    Raises:
        LocalProtocolError: There is no such revision here.
    """
    try:
        return CODECS[revision]
    except KeyError:
        expected = " or ".join(map(str, CODECS))
        raise LocalProtocolError(
            f"protocol revision {revision!r}, expected {expected}"
        ) from None
