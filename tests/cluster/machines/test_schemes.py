"""Schemes: what makes the membership of a URL, and what is said of those without."""

from __future__ import annotations

import sys

import pytest

from txengineio.cluster.machines.schemes import SCHEMES, maker_of
from txengineio.cluster.redis.maker import make_membership
from txengineio.cluster.wamp.maker import make_membership as make_wamp_membership
from txengineio.errors import InvalidOption

SECRETS = "//chat:s3cret@host:1/main?sentinel_password=hunter2"


def test_each_scheme_makes_memberships() -> None:
    assert {scheme: maker_of(f"{scheme}:{SECRETS}") for scheme in SCHEMES} == {
        scheme: make_wamp_membership if scheme == "wamp" else make_membership
        for scheme in SCHEMES
    }


def test_another_scheme_is_refused_without_what_is_secret() -> None:
    with pytest.raises(InvalidOption, match="a URL that begins with") as raised:
        maker_of(f"mysql:{SECRETS}")
    assert "host:1" in str(raised.value)
    assert "s3cret" not in str(raised.value)
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("where", [SECRETS, SECRETS.replace("chat:s3cret@", "")])
def test_what_is_not_installed_is_told_without_what_is_secret(
    monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.setitem(sys.modules, "txredisapi", None)
    for module in ("maker", "connection", "endpoints"):
        monkeypatch.delitem(sys.modules, f"txengineio.cluster.redis.{module}")
    with pytest.raises(InvalidOption, match="pip install") as raised:
        maker_of(f"redis+sentinel:{where}")
    assert "host:1" in str(raised.value)
    assert "s3cret" not in str(raised.value)
    assert "hunter2" not in str(raised.value)
