"""Who is in which room, and how what is sent gets to them.

=================  ===================================================================
``clients``        taking clients in, and forgetting them, in any release of upstream
``delivery``       one event to those who are in a room, encoded once
``held``           what is sent to clients who are not let in yet
``manager``        `Manager`: rooms of one process, for `Server`
``async_manager``  `AsyncManager`: rooms of one process, for `AsyncServer`
``listening``      blocking managers of python-socketio, for `Server`
``orders``         what the managers of several processes tell each other, as bytes
``nodes``          telling the other processes, and doing what they tell
``cluster``        the default managers: rooms that reach over all processes
=================  ===================================================================
"""
