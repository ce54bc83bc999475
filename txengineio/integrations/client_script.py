"""The official client for browsers, served where Node's servers have it.

``engine.use(ClientScript("node_modules/socket.io-client"))`` serves
``/socket.io/socket.io.min.js``. The script itself is no part of this project.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from os import PathLike
from pathlib import Path
from typing import Final

from twisted.web.http import NOT_MODIFIED, Request

from txengineio.errors import InvalidOption
from txengineio.server.options.compression import accepted_encodings
from txengineio.server.web.headers import add_vary

__all__ = ["ClientScript"]

_PACKAGES: Final = ("socket.io-client", "engine.io-client")
_PACKAGE: Final = "a folder with dist/socket.io.min.js or dist/engine.io.min.js"
_SCRIPT: Final = "a script, whose name ends with .js"
_SCRIPTS: Final = ("socket.io.min.js", "engine.io.min.js")
_OTHER_FORMS: Final = (".js", ".esm.min.js", ".msgpack.min.js")
"""What a package has in the place of ``.min.js``, and Node's servers serve, too."""
_SUFFIXES: Final = {"br": ".br", "gzip": ".gz"}
_IDENTITY: Final = ""


class ClientScript:
    """A middleware that serves the client's script below the path of an engine.

    Of a package its other forms are served, too: ``.js``, ``.esm.min.js``, and
    ``.msgpack.min.js``. Compressed forms are served where they lie ready beside it, as
    ``.br`` and ``.gz``, and so is the map that debuggers ask for, ``.map``. All is read
    once: a new release needs a new start.

    Args:
        path: The script, or the folder of the npm package that has it.

    Attributes:
        name: The script's name, which it is served under.

    Raises:
        InvalidOption: There is no such script; the text says what is there instead.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        scripts = _find(Path(path))
        self.name: Final = scripts[0].name
        self._files: dict[bytes, _File] = {}
        for script in scripts:
            self._files[script.name.encode()] = _File(script, "text/javascript")
            source_map = script.with_name(f"{script.name}.map")
            if source_map.is_file():
                file = _File(source_map, "application/json")
                self._files[source_map.name.encode()] = file

    def __call__(self, request: Request) -> None:
        """Answer a request for the script; leave all others alone."""
        file = self._files.get(request.path.rpartition(b"/")[2])
        if file is not None and request.method in (b"GET", b"HEAD"):
            file.answer(request)


class _File:
    """What is served, in all its forms.

    Args:
        path: Where it is.
        content_type: What it is.
    """

    def __init__(self, path: Path, content_type: str) -> None:
        self._content_type = f"{content_type}; charset=utf-8".encode()
        self._forms = {_IDENTITY: _read(path)}
        for encoding, suffix in _SUFFIXES.items():
            ready = path.with_name(path.name + suffix)
            if ready.is_file():
                self._forms[encoding] = _read(ready)
        self._hash = sha256(self._forms[_IDENTITY]).hexdigest()[:32]

    def answer(self, request: Request) -> None:
        """Send it, in a form that the client takes."""
        encoding = self._encoding_for(request)
        body = self._forms[encoding]
        headers = request.responseHeaders
        add_vary(headers, "Accept-Encoding")
        # Kept, but asked about each time, as Node's servers have it.
        request.setHeader(b"Cache-Control", b"public, max-age=0")
        request.setHeader(b"Content-Type", self._content_type)
        request.setHeader(b"X-Content-Type-Options", b"nosniff")
        if encoding:
            request.setHeader(b"Content-Encoding", encoding.encode())
        tag = f'"{self._hash}{encoding and "-" + encoding}"'
        request.setHeader(b"ETag", tag.encode())
        if _has(request, tag):
            request.setResponseCode(NOT_MODIFIED)
        else:
            request.setHeader(b"Content-Length", str(len(body)).encode())
            # Twisted sends only the head of an answer to HEAD.
            request.write(body)
        request.finish()

    def _encoding_for(self, request: Request) -> str:
        accepted = accepted_encodings(request.getHeader("Accept-Encoding") or "")
        for encoding in _SUFFIXES:
            if encoding in self._forms and accepted.get(encoding, 0.0) > 0:
                return encoding
        return _IDENTITY


def _has(request: Request, tag: str) -> bool:
    """Return whether the client has what has this tag.

    A proxy that compresses answers makes the tag a weak one, which is as good here: RFC
    9110, section 13.1.2.
    """
    known = (request.getHeader("If-None-Match") or "").split(",")
    return any(each.strip().removeprefix("W/") in (tag, "*") for each in known)


def _find(path: Path) -> list[Path]:
    """Return the script at a path, or those of the package there, the first one first.

    Raises:
        InvalidOption: There is none.
    """
    if path.is_dir():
        for name in _SCRIPTS:
            script = path / "dist" / name
            if script.is_file():
                return [script, *_other_forms(script)]
        raise InvalidOption("path", _PACKAGE, str(path))
    if not path.is_file():
        raise InvalidOption("path", _present(path), str(path))
    if path.suffix != ".js":
        raise InvalidOption("path", _SCRIPT, str(path))
    return [path]


def _present(path: Path) -> str:
    package = path.name if path.name in _PACKAGES else _PACKAGES[0]
    return (
        f"a script or a folder that is there, such as node_modules/{package} after "
        f"npm install {package}"
    )


def _other_forms(script: Path) -> Iterator[Path]:
    stem = script.name.removesuffix(".min.js")
    for suffix in _OTHER_FORMS:
        other = script.with_name(stem + suffix)
        if other.is_file():
            yield other


def _read(script: Path) -> bytes:
    try:
        return script.read_bytes()
    except OSError as error:
        expected = f"a script that can be read ({error.strerror})"
        raise InvalidOption("path", expected, str(script)) from error
