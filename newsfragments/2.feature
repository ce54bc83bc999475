An Engine.IO server (protocol revision 4) for Twisted: HTTP long-polling, WebSocket and the upgrade between them, as a `Resource`, as a library and as `twistd engineio`.
