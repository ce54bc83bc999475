"""What a session is made of, on both sides of a connection.

===================  =============================================================
``base``             a session's life: what it receives, how it ends
``send_queue``       what waits for the transport, and in which batches it leaves
``backlog``          how much waits for a slow peer, and what that means
``consumer``         what an application sends, and the session as an ``IConsumer``
``receive_queue``    messages that wait for the application
``flush_callbacks``  telling when what was sent has been handed on
``heartbeat``        the rules of ping and pong, for each side
``timers``           the timer wheel: one ``LoopingCall`` for any number of timers
``traffic``          what one session has carried
``events``           handlers by the names of events
``callbacks``        calling the application, whatever it raises
``websocket``        the packet transport over a WebSocket
``interfaces``       the seams of a session
===================  =============================================================
"""
