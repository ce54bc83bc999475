"""The way of a request, from its arrival to its session, in its order.

==================  ============================================================
``dispatcher``      where each request is refused, handed on, or opens a session
``middleware``      what sees a request before anything else
``cors``            who may read an answer
``origins``         whose pages may open sessions
``checks``          which requests get in, in the reference's order
``session_limits``  how many sessions, and how fast they come
``hooks``           asking the application: who may come in, under which id
``hook_timeout``    how long an answer to that may take
``uploads``         requests whose bodies still arrive
``handshakes``      opening sessions
==================  ============================================================
"""
