"""A chat with rooms: the application that runs when none is named."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from txengineio.integrations.socketio.server import Server
from txengineio.server.cluster import Cluster

__all__ = ["FIRST_ROOM", "MAX_NAME", "MAX_TEXT", "Chat", "chat_server"]

MAX_NAME: Final = 24
MAX_TEXT: Final = 1000

FIRST_ROOM: Final = "lobby"

_PEOPLE: Final = "chat.people"
"""The channel on which processes ask each other who is in a room, which they name."""


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

    With several processes, each knows its own people and asks the others for theirs.

    Args:
        server: Who serves them.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._answered_in: Cluster | None = None
        for event in (self.connect, self.join, self.say, self.disconnect):
            server.on(event.__name__, event)

    def connect(self, sid: str, environ: Mapping[str, Any], auth: Any) -> None:
        """Let somebody in; ``auth`` may have a name."""
        self._answer_others()
        name = _short(auth.get("name"), MAX_NAME) if isinstance(auth, dict) else ""
        person = {"name": name or f"guest {sid[:4]}", "room": None}
        self._server.save_session(sid, person)

    async def join(self, sid: str, room: object = None) -> dict[str, Any]:
        """Have somebody go from room to room.

        Returns:
            The room, and the names of those who are in it.
        """
        await self._leave(sid)
        wanted = _short(room, MAX_NAME) or FIRST_ROOM
        person = self._server.get_session(sid)
        person["room"] = wanted
        self._server.enter_room(sid, _key(wanted))
        return await self._tell("joined", sid, person)

    def say(self, sid: str, text: object = None) -> bool:
        """Tell the others of the room; returns whether there was something to tell."""
        person = self._server.get_session(sid)
        said = _short(text, MAX_TEXT)
        if not said or person["room"] is None:
            return False
        news = {"name": person["name"], "text": said}
        self._server.emit("said", news, room=_key(person["room"]), skip_sid=sid)
        return True

    async def disconnect(self, sid: str, reason: str) -> None:
        """Tell the others of the room that somebody is gone."""
        await self._leave(sid)

    async def _leave(self, sid: str) -> None:
        person = self._server.get_session(sid)
        if person["room"] is not None:
            self._server.leave_room(sid, _key(person["room"]))
            await self._tell("left", sid, person)

    async def _tell(
        self, event: str, sid: str, person: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Tell the others of a room who is in it now; returns that."""
        room = person["room"]
        people = self._people_here(room)
        cluster: Cluster | None = self._server.engine.cluster
        if cluster is not None:
            answers = await cluster.ask(_PEOPLE, room.encode())
            people += [
                name for each in answers.values() if each for name in _names(each)
            ]
        state = {"room": room, "people": sorted(people)}
        news = {"name": person["name"], **state}
        self._server.emit(event, news, room=_key(room), skip_sid=sid)
        return state

    def _people_here(self, room: str) -> list[str]:
        members = self._server.manager.get_participants("/", _key(room))
        return [self._server.get_session(sid)["name"] for sid, _ in members]

    def _answer_others(self) -> None:
        """Answer other processes, once there is somebody to tell them about."""
        cluster: Cluster | None = self._server.engine.cluster
        if cluster is not None and cluster is not self._answered_in:
            self._answered_in = cluster
            cluster.answer(_PEOPLE, self._answer)

    def _answer(self, _node: str, room: bytes) -> bytes:
        return json.dumps(self._people_here(room.decode())).encode()


def _key(room: str) -> str:
    """Return a name that is nobody's id: each client has a room of that name."""
    return f"room {room}"


def _names(answer: bytes | None) -> list[str]:
    """Read an answer; a process without one has nobody, or is about to end."""
    names: list[str] = json.loads(answer or b"[]")
    return names


def _short(value: object, limit: int) -> str:
    return value.strip()[:limit] if isinstance(value, str) else ""
