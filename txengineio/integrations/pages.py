"""Pages that come with the package, as resources: HTML, style sheets and scripts.

They talk to nobody but the site that serves them, and no other page may frame them.
"""

from __future__ import annotations

from html import escape
from importlib.resources.abc import Traversable
from pathlib import PurePath
from typing import Final

from twisted.web.http import Request
from twisted.web.resource import Resource

__all__ = ["PagePart", "answer_page", "page_of", "parts_of"]

# The types of a page's files, beside its HTML.
_CONTENT_TYPES: Final = {".css": "text/css", ".js": "text/javascript"}

_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class PagePart(Resource):
    """A page, or a part of one.

    Args:
        content_type: What it is.
        text: What is sent.
    """

    isLeaf = True

    def __init__(self, content_type: str, text: str) -> None:
        super().__init__()
        self._body = text.encode()
        self._content_type = f"{content_type}; charset=UTF-8"

    def render_GET(self, request: Request) -> bytes:
        """Send it."""
        return answer_page(request, self._content_type, self._body)


def page_of(file: Traversable, **words: str) -> PagePart:
    """Make the resource of an HTML file.

    Args:
        file: The file.
        words: What stands in it for ``{{name}}``; it is escaped.
    """
    text = file.read_text("utf-8")
    for name, word in words.items():
        text = text.replace(f"{{{{{name}}}}}", escape(word))
    return PagePart("text/html", text)


def parts_of(*folders: Traversable) -> Resource:
    """Make the resources of all style sheets and scripts in folders."""
    parts = Resource()
    for folder in folders:
        for file in folder.iterdir():
            content_type = _CONTENT_TYPES.get(PurePath(file.name).suffix)
            if content_type is not None:
                part = PagePart(content_type, file.read_text("utf-8"))
                parts.putChild(file.name.encode(), part)
    return parts


def answer_page(request: Request, content_type: str, body: bytes) -> bytes:
    """Set the headers of an answer to a page, and return its body."""
    request.setHeader(b"Content-Type", content_type.encode("ascii"))
    for name, value in _HEADERS.items():
        request.setHeader(name.encode("ascii"), value.encode("ascii"))
    return body
