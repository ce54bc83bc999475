"""A chat with rooms: the application that runs when none is named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from txengineio.integrations.socketio.server import Server

__all__ = ["FIRST_ROOM", "MAX_NAME", "MAX_TEXT", "Chat", "chat_server"]

MAX_NAME: Final = 24
MAX_TEXT: Final = 1000

FIRST_ROOM: Final = "lobby"


def chat_server(options: Mapping[str, Any]) -> Server:
    """Make a server that runs the chat.

    Args:
        options: Options of the engine.
    """
    server = Server(**options)
    Chat(server)
    return server


class Chat:
    """People, each of whom is in one room.

    Args:
        server: Who serves them.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        for event in (self.connect, self.join, self.say, self.disconnect):
            server.on(event.__name__, event)

    def connect(self, sid: str, environ: Mapping[str, Any], auth: Any) -> None:
        """Let somebody in; ``auth`` may have a name."""
        name = _short(auth.get("name"), MAX_NAME) if isinstance(auth, dict) else ""
        person = {"name": name or f"guest {sid[:4]}", "room": None}
        self._server.save_session(sid, person)

    def join(self, sid: str, room: object = None) -> dict[str, Any]:
        """Have somebody go from room to room.

        Returns:
            The room, and the names of those who are in it.
        """
        self._leave(sid)
        wanted = _short(room, MAX_NAME) or FIRST_ROOM
        person = self._server.get_session(sid)
        person["room"] = wanted
        self._server.enter_room(sid, _key(wanted))
        self._tell("joined", sid, person)
        return self._state_of(wanted)

    def say(self, sid: str, text: object = None) -> bool:
        """Tell the others of the room; returns whether there was something to tell."""
        person = self._server.get_session(sid)
        said = _short(text, MAX_TEXT)
        if not said or person["room"] is None:
            return False
        news = {"name": person["name"], "text": said}
        self._server.emit("said", news, room=_key(person["room"]), skip_sid=sid)
        return True

    def disconnect(self, sid: str, reason: str) -> None:
        """Tell the others of the room that somebody is gone."""
        self._leave(sid)

    def _leave(self, sid: str) -> None:
        person = self._server.get_session(sid)
        if person["room"] is not None:
            self._server.leave_room(sid, _key(person["room"]))
            self._tell("left", sid, person)

    def _tell(self, event: str, sid: str, person: Mapping[str, Any]) -> None:
        news = {"name": person["name"], **self._state_of(person["room"])}
        self._server.emit(event, news, room=_key(person["room"]), skip_sid=sid)

    def _state_of(self, room: str) -> dict[str, Any]:
        members = self._server.manager.get_participants("/", _key(room))
        people = [self._server.get_session(sid)["name"] for sid, _ in members]
        return {"room": room, "people": sorted(people)}


def _key(room: str) -> str:
    """Return a name that is nobody's id: each client has a room of that name."""
    return f"room {room}"


def _short(value: object, limit: int) -> str:
    return value.strip()[:limit] if isinstance(value, str) else ""
