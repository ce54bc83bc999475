"""The page of the chat, as resources of a site."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

from twisted.web.resource import Resource

from txengineio.integrations import inspector
from txengineio.integrations.pages import page_of, parts_of

__all__ = ["chat_pages"]

# A session of Engine.IO, by hand: one such program in the package is enough.
_ENGINE_CLIENT: Final = "client.js"


def chat_pages(path: str, script: str | None = None) -> dict[bytes, Resource]:
    """Make what a site has to have at its root to show the chat.

    Args:
        path: Where the same site serves the server.
        script: Name of the official client, if it is served below that path; without
            it, the page speaks Socket.IO itself.

    Returns:
        Resources by their names: ``""`` is the page.
    """
    folder = files(__package__).joinpath("page")
    parts = parts_of(folder)
    engine_client = parts_of(files(inspector).joinpath("page")).children
    parts.putChild(_ENGINE_CLIENT.encode(), engine_client[_ENGINE_CLIENT.encode()])
    where = f"{path.rstrip('/')}/"
    client = f"{where}{script}" if script else ""
    page = page_of(folder.joinpath("chat.html"), path=where, script=client)
    # Not "chat": that may well be the path of the server.
    return {b"": page, b"chat-page": parts}
