"""The secret of a cluster: what its nodes know, and nobody else does."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from txengineio.errors import InvalidOption

__all__ = ["MIN_SECRET", "check_secret", "read_secret"]

MIN_SECRET: Final = 32
"""Bytes that a secret has at least: what ``openssl rand -hex 16`` prints."""

_OTHERS: Final = stat.S_IRWXO | stat.S_IWGRP


def check_secret(name: str, secret: object) -> bytes:
    """Return a secret.

    Raises:
        InvalidOption: It is none, or too short.
    """
    if not isinstance(secret, bytes) or len(secret) < MIN_SECRET:
        # Never the secret itself.
        got = (
            f"one of {len(secret)} bytes"
            if isinstance(secret, bytes)
            else type(secret).__name__
        )
        raise InvalidOption(name, f"a secret of {MIN_SECRET} bytes or more", got)
    return secret


def read_secret(name: str, path: str | os.PathLike[str]) -> bytes:
    """Read a secret from a file; white space around it does not count.

    Args:
        name: The option's name, for errors.
        path: The file. Its owner may read it, and a group; others may not.

    Raises:
        InvalidOption: It cannot be read, others may read or change it, or what is in it
            is too short.
    """
    try:
        mode = Path(path).stat().st_mode
        content = Path(path).read_bytes()
    except OSError as problem:
        expected = f"a file that can be read ({problem.strerror})"
        raise InvalidOption(name, expected, os.fspath(path)) from problem
    if mode & _OTHERS:
        expected = (
            "a file that other users cannot read and its group cannot write "
            f"(its mode is {stat.S_IMODE(mode):o}: chmod 600 it)"
        )
        raise InvalidOption(name, expected, os.fspath(path))
    secret = content.strip()
    if len(secret) < MIN_SECRET:
        expected = (
            f"a file with {MIN_SECRET} bytes or more, such as openssl rand -hex 32 "
            f"prints (it has {len(secret)})"
        )
        raise InvalidOption(name, expected, os.fspath(path))
    return secret
