"""The states of a polling session's requests: which GET is here, and which POST.

Rules, as in `txengineio.protocol.states`:

1. Each transition is an entry in one of the two tables of this module. The transport
   looks up what to do, and does it.
2. This module knows no request, no session and no clock. That a connection was lost, or
   that an answer has left, comes in as an input.

Theory:

A client has at most one GET under way and at most one POST, and the two know nothing of
each other.

The *GET* is parked until there is something to say. Its answer may be too much for the
connection to take at once: until it has left, another GET is refused, since a client
that kept asking and read nothing would fill the memory. When the session wants to end
and no GET is here, it waits for the next one to say goodbye to.

The *POST* may be known before it is complete: then it is awaited. Once it is handled it
is acknowledged, or, while the application takes no more messages, its acknowledgement
is held back: the client sends no more before it has that.

A second request of either kind breaks the rules of the transport and ends the session.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, unique
from typing import Final

__all__ = [
    "POLL_STEPS",
    "POST_STEPS",
    "PollAction",
    "PollInput",
    "PollState",
    "PostAction",
    "PostInput",
    "PostState",
]

# Members of these enums are keys of tables. By default Python hashes their names, by a
# method that is not native.


# --- GETs -----------------------------------------------------------------------------


@unique
class PollState(Enum):
    """Where the GET of a session is."""

    __hash__ = object.__hash__

    OPENING = "opening"
    """The request that opens the session waits for the first answer."""
    AWAY = "away"
    """None is here, and the last answer has left."""
    PARKED = "parked"
    """One waits for something to say."""
    UNREAD = "unread"
    """None is here, and the last answer has not left yet."""
    CLOSING = "closing"
    """The next one is answered with the goodbye."""
    CLOSING_UNREAD = "closing, unread"
    """As `CLOSING`, but the last answer has not left yet."""
    ENDED = "ended"
    """The session is over, or on another transport."""


@unique
class PollInput(Enum):
    """What can happen to the GETs of a session."""

    __hash__ = object.__hash__

    GET = "GET"
    """One has come."""
    ANSWER = "answer"
    """There is something to say."""
    STUCK = "stuck"
    """The connection did not take the whole answer."""
    LEFT = "left"
    """It has taken the rest."""
    LOST = "lost"
    """The connection of the GET that is here was lost."""
    CLOSE = "close"
    """The session has nothing more to say than goodbye."""
    SESSION_ENDED = "session ended"
    REPLACED = "replaced"
    """Another transport has taken the session over."""


@unique
class PollAction(Enum):
    """What is to be done about it."""

    NOTHING = "nothing"
    PARK = "park"
    """Keep the GET, and let the session send what waits."""
    ANSWER = "answer"
    ANSWER_FIRST = "answer first"
    """Answer; what belongs to the first answer of a session goes with it."""
    SAY_GOODBYE = "say goodbye"
    """Answer the GET that has come with a noop and the goodbye; end the session."""
    WAIT_TO_CLOSE = "wait to close"
    """The session goes on until there is a GET to say goodbye to."""
    CONFIRM = "confirm"
    """Tell the session that its packets have been handed on."""
    REFUSE = "refuse"
    """There is no session any more that could say anything."""
    REFUSE_OVERLAP = "refuse overlap"
    """Refuse a second GET, and end the session."""
    REFUSE_UNREAD = "refuse unread"
    """Refuse a GET of a client that does not read, and end the session."""
    FAIL = "fail"
    """End the session: its client has gone."""


_PollStep = tuple[PollAction, PollState]
_PollRow = Mapping[PollInput, _PollStep]


def _poll_row(state: PollState, row: _PollRow) -> _PollRow:
    """Return a whole row: what it does not list changes nothing."""
    return dict.fromkeys(PollInput, (PollAction.NOTHING, state)) | dict(row)


def _while_here(state: PollState, answer: PollAction) -> _PollRow:
    return _poll_row(
        state,
        {
            PollInput.GET: (PollAction.REFUSE_OVERLAP, state),
            PollInput.ANSWER: (answer, PollState.AWAY),
            PollInput.LOST: (PollAction.FAIL, PollState.AWAY),
            # To close ends the session, and its end answers the GET.
            PollInput.SESSION_ENDED: (answer, PollState.ENDED),
            PollInput.REPLACED: (answer, PollState.ENDED),
        },
    )


def _while_unread(state: PollState, left: PollState, closing: _PollStep) -> _PollRow:
    return _poll_row(
        state,
        {
            PollInput.GET: (PollAction.REFUSE_UNREAD, state),
            PollInput.LEFT: (PollAction.CONFIRM, left),
            PollInput.CLOSE: closing,
            PollInput.SESSION_ENDED: (PollAction.NOTHING, PollState.ENDED),
            # Nobody waits any more to hear that the answer has left.
            PollInput.REPLACED: (PollAction.CONFIRM, PollState.ENDED),
        },
    )


_GONE: Final[_PollRow] = {
    PollInput.SESSION_ENDED: (PollAction.NOTHING, PollState.ENDED),
    PollInput.REPLACED: (PollAction.NOTHING, PollState.ENDED),
}

POLL_STEPS: Final[Mapping[PollState, _PollRow]] = {
    PollState.OPENING: _while_here(PollState.OPENING, PollAction.ANSWER_FIRST),
    PollState.PARKED: _while_here(PollState.PARKED, PollAction.ANSWER),
    PollState.AWAY: _poll_row(
        PollState.AWAY,
        {
            PollInput.GET: (PollAction.PARK, PollState.PARKED),
            PollInput.STUCK: (PollAction.NOTHING, PollState.UNREAD),
            PollInput.CLOSE: (PollAction.WAIT_TO_CLOSE, PollState.CLOSING),
            **_GONE,
        },
    ),
    PollState.UNREAD: _while_unread(
        PollState.UNREAD,
        PollState.AWAY,
        (PollAction.WAIT_TO_CLOSE, PollState.CLOSING_UNREAD),
    ),
    PollState.CLOSING: _poll_row(
        PollState.CLOSING,
        {
            PollInput.GET: (PollAction.SAY_GOODBYE, PollState.ENDED),
            PollInput.CLOSE: (PollAction.WAIT_TO_CLOSE, PollState.CLOSING),
            **_GONE,
        },
    ),
    PollState.CLOSING_UNREAD: _while_unread(
        PollState.CLOSING_UNREAD,
        PollState.CLOSING,
        (PollAction.WAIT_TO_CLOSE, PollState.CLOSING_UNREAD),
    ),
    PollState.ENDED: _poll_row(
        PollState.ENDED, {PollInput.GET: (PollAction.REFUSE, PollState.ENDED)}
    ),
}
"""state of the GETs -> input -> what to do and the next state."""


# --- POSTs ----------------------------------------------------------------------------


@unique
class PostState(Enum):
    """Where the POST of a session is."""

    __hash__ = object.__hash__

    AWAY = "away"
    """None is here."""
    ARRIVING = "arriving"
    """One has begun: its body still arrives, or a middleware takes its time with it."""
    HELD = "held"
    """One was handled, and its acknowledgement is held back."""
    ENDED = "ended"
    """The session is over, or on another transport."""


@unique
class PostInput(Enum):
    """What can happen to the POSTs of a session."""

    __hash__ = object.__hash__

    BEGUN = "begun"
    """The head of one has come."""
    COMPLETE = "complete"
    """The one that has begun is complete."""
    WHOLE = "whole"
    """One has come whole."""
    ANSWERED = "answered"
    """Other code has answered the one that has begun."""
    HANDLED = "handled"
    """What one says was done, and the application takes more."""
    HANDLED_LATE = "handled late"
    """Its packets were handled, but the application accepts no more for now."""
    RESUMED = "resumed"
    """The application takes more again."""
    LOST = "lost"
    """The one that is here will never be complete, or its client has gone."""
    ENDED = "ended"
    """The session is over, or another transport has taken it over."""


@unique
class PostAction(Enum):
    """What is to be done about it."""

    NOTHING = "nothing"
    AWAIT = "await"
    """Keep the POST in mind: another one must not overtake it."""
    HANDLE = "handle"
    HOLD = "hold"
    """Keep the POST and its acknowledgement back."""
    ACKNOWLEDGE = "acknowledge"
    """Say ok to the POST that was handled, or held back."""
    ABORT = "abort"
    """Drop the connection of the POST that still arrives."""
    REFUSE = "refuse"
    """There is no session any more that could take it."""
    REFUSE_OVERLAP = "refuse overlap"
    """Refuse a second POST, and end the session."""
    FAIL = "fail"
    """End the session: its client's messages are lost, or the client is gone."""


_PostStep = tuple[PostAction, PostState]
_PostRow = Mapping[PostInput, _PostStep]


def _post_row(state: PostState, row: _PostRow) -> _PostRow:
    """Return a whole row: what it does not list changes nothing."""
    return dict.fromkeys(PostInput, (PostAction.NOTHING, state)) | dict(row)


def _overlap(state: PostState) -> _PostRow:
    return dict.fromkeys(
        (PostInput.BEGUN, PostInput.WHOLE), (PostAction.REFUSE_OVERLAP, state)
    )


POST_STEPS: Final[Mapping[PostState, _PostRow]] = {
    PostState.AWAY: _post_row(
        PostState.AWAY,
        {
            PostInput.BEGUN: (PostAction.AWAIT, PostState.ARRIVING),
            PostInput.WHOLE: (PostAction.HANDLE, PostState.AWAY),
            PostInput.HANDLED: (PostAction.ACKNOWLEDGE, PostState.AWAY),
            PostInput.HANDLED_LATE: (PostAction.HOLD, PostState.HELD),
            PostInput.ENDED: (PostAction.NOTHING, PostState.ENDED),
        },
    ),
    PostState.ARRIVING: _post_row(
        PostState.ARRIVING,
        {
            **_overlap(PostState.ARRIVING),
            PostInput.COMPLETE: (PostAction.HANDLE, PostState.AWAY),
            PostInput.ANSWERED: (PostAction.NOTHING, PostState.AWAY),
            PostInput.LOST: (PostAction.FAIL, PostState.AWAY),
            PostInput.ENDED: (PostAction.ABORT, PostState.ENDED),
        },
    ),
    PostState.HELD: _post_row(
        PostState.HELD,
        {
            **_overlap(PostState.HELD),
            PostInput.RESUMED: (PostAction.ACKNOWLEDGE, PostState.AWAY),
            PostInput.LOST: (PostAction.FAIL, PostState.AWAY),
            PostInput.ENDED: (PostAction.ACKNOWLEDGE, PostState.ENDED),
        },
    ),
    PostState.ENDED: _post_row(
        PostState.ENDED,
        {
            PostInput.BEGUN: (PostAction.REFUSE, PostState.ENDED),
            PostInput.WHOLE: (PostAction.REFUSE, PostState.ENDED),
            # It has ended the session itself, by a goodbye in it.
            PostInput.HANDLED: (PostAction.ACKNOWLEDGE, PostState.ENDED),
            PostInput.HANDLED_LATE: (PostAction.ACKNOWLEDGE, PostState.ENDED),
        },
    ),
}
"""state of the POSTs -> input -> what to do and the next state."""
