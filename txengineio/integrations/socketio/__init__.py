"""Socket.IO: python-socketio's servers on an engine of ours.

====================  ===============================================================
``server``            `Server`: handlers in the reactor, which may return Deferreds
``threaded_server``   `ThreadedServer`: handlers in the reactor's thread pool
``async_server``      `AsyncServer`: handlers as coroutines of asyncio
``managers``          who is in which room; sending to those, in all processes
``engine_adapter``    what python-socketio asks of an engine, answered by ours
``admin``             what the Socket.IO Admin UI is told
``concurrency``       running things in the reactor, in threads, in asyncio
``packets``           what clients send, put together and checked
``packet_class``      packets of the default serializer, encoded and decoded faster
``msgpack_class``     packets of msgpack, as the official parser has them
``events``            events whose handlers are not done yet
``environ``           a handshake as the dict that handlers of ``connect`` get
``engine_options``    python-engineio's options as the engine's
``resource``          a server in any ``twisted.web`` site
``loading``           a server by its name, for command lines
``demo``              a chat, to try a server out
====================  ===============================================================
"""

from importlib.util import find_spec

if find_spec("socketio") is None:
    # The package that has the name of the module, "socketio", is another one.
    raise ModuleNotFoundError(
        "Socket.IO needs: pip install python-socketio", name="socketio"
    )
