import pytest

from txengineio.errors import LocalProtocolError
from txengineio.protocol.revision3 import Revision3Codec
from txengineio.protocol.revision4 import Revision4Codec
from txengineio.protocol.revisions import CODECS, codec_for


@pytest.mark.parametrize(
    ("revision", "kind"), [(3, Revision3Codec), (4, Revision4Codec)]
)
def test_each_revision_has_one_codec(
    revision: int, kind: type[Revision3Codec | Revision4Codec]
) -> None:
    codec = codec_for(revision)

    assert isinstance(codec, kind)
    assert codec.revision == revision
    assert codec_for(revision) is codec


def test_every_codec_is_found_by_its_revision() -> None:
    assert all(codec.revision == revision for revision, codec in CODECS.items())


@pytest.mark.parametrize("revision", [0, 2, 5])
def test_other_revisions_are_refused(revision: int) -> None:
    with pytest.raises(LocalProtocolError, match=f"{revision}, expected 3 or 4"):
        codec_for(revision)
