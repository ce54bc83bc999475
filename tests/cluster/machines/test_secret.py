"""The secret of a cluster is long, and in a file that others cannot read."""

from __future__ import annotations

from pathlib import Path

import pytest

from txengineio.cluster.machines.secret import check_secret, read_secret
from txengineio.errors import InvalidOption

SECRET = b"0123456789abcdef0123456789abcdef"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_bytes(SECRET + b"\n")
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o440, 0o640])
def test_a_file_has_it(file: Path, mode: int) -> None:
    file.chmod(mode)
    assert read_secret("secret_file", file) == SECRET
    assert read_secret("secret_file", str(file)) == SECRET


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o602])
def test_others_have_no_part_in_it(file: Path, mode: int) -> None:
    file.chmod(mode)
    with pytest.raises(InvalidOption, match=rf"mode is {mode:o}: chmod 600 it"):
        read_secret("secret_file", file)


def test_it_is_long(file: Path) -> None:
    file.write_bytes(b"  " + b"x" * 31 + b"\n\n")
    with pytest.raises(InvalidOption, match=r"32 bytes or more.*\(it has 31\)"):
        read_secret("secret_file", file)


def test_it_is_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match=r"\(No such file or directory\)"):
        read_secret("secret_file", tmp_path / "none")


def test_errors_do_not_tell_it() -> None:
    assert check_secret("secret", SECRET) == SECRET
    with pytest.raises(InvalidOption, match="not 'one of 5 bytes'"):
        check_secret("secret", b"short")
    with pytest.raises(InvalidOption, match="not 'str'"):
        check_secret("secret", "text")
