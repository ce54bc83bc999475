"""The options of an engine: values, and their checks.

===============  ==============================================================
``engine``       `EngineOptions`: all of them, checked when the engine is built
``admission``    what ``allow_request`` returns for a client that it lets in
``limits``       limits on what clients may cost
``cookies``      the cookie with the session's id
``compression``  which answers to polls are compressed
``cors``         who may read answers from pages of other origins
``origins``      whose pages may open sessions
``deflate``      how WebSocket messages are compressed
``proxies``      the reverse proxies that are trusted
``other_names``  the names of options in other libraries
===============  ==============================================================
"""
