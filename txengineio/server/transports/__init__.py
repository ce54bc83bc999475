"""What carries a session's packets, and how it moves from one to another.

=============  ==========================================================
``table``      the transports that there are: a row for each
``polling``    HTTP long-polling: one parked GET, one POST at a time
``jsonp``      polling for clients that can only load scripts
``websocket``  WebSockets of a server
``deflate``    permessage-deflate: what was negotiated, and what goes out
``opening``    the opening request of a WebSocket
``upgrade``    from polling to WebSocket, without losing a message
``bodies``     how many packets a POST may have
``answers``    what belongs to an answer beside its payload
=============  ==========================================================
"""
