"""The client: sessions with Engine.IO servers, and a service that keeps one up.

===============  =============================================
``connect``      opens a session
``service``      keeps a session up
``session``      a session of the client
``options``      the options of `connect`
``other_names``  what options are called in other libraries
``target``       URLs, and what each request says in its query
``opening``      the wait for the open packet
``polling``      HTTP long-polling
``websocket``    WebSockets of a client
``upgrade``      from polling to WebSocket
``deadline``     timers of a client
``failures``     what went wrong, as errors that say so
``http``         requests, and the connections that they use
``cli_options``  the options of the command, and its help
``cli``          ``python -m txengineio connect``
===============  =============================================
"""
