"""The way of a request, from its arrival to its session.

The request that opens a session passes, in this order:

1. the middlewares (``middleware``, the one of ``cors`` among them);
2. ``Dispatcher._check`` (``dispatcher``), which reads the query, looks up the session
   that it names, and calls ``check_request`` (``checks``);
3. ``OriginCheck.check`` (``origins``): 403;
4. ``SessionLimits.enter`` (``session_limits``): 429 or 503;
5. the option ``allow_request`` (``hooks``): 403, or 503 if it takes too long;
6. ``check_revision`` (``checks``), and the ``check`` in the row of its transport;
7. the option ``generate_id`` (``hooks``): 400, or 503 if it takes too long;
8. ``Handshakes.accepting`` (``handshakes``): 503 while the engine drains, which asks
   neither of the two options;
9. ``buildProtocol`` of the application (``handshakes``): 403 for None.

A WebSocket for a session that is open passes 1, 2, 3, 5 and the row's ``check``. A GET
or a POST of a session passes 1 and 2, and ``check_request`` only if it is unusual.

==================  ============================================================
``dispatcher``      where each request is refused, handed on, or opens a session
``middleware``      what sees a request before anything else
``cors``            who may read an answer
``origins``         whose pages may open sessions
``checks``          what a query and its headers must be, in the reference's order
``session_limits``  how many sessions, and how fast they come
``hooks``           asking the application: who may come in, under which id
``hook_timeout``    how long an answer to that may take
``uploads``         requests whose bodies still arrive
``handshakes``      opening sessions
==================  ============================================================
"""
