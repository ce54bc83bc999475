"""What carries a session's packets, and how it moves from one to another.

==================  ==========================================================
``table``           the transports that there are: a row for each
``polling``         HTTP long-polling: one parked GET, one POST at a time
``polling_states``  its tables: which request may come when, and what is done
``posts``           the POST that is here, and its acknowledgement
``newcomers``       clients that open a session and do not come back
``payloads``        the contents of answers to polls and of bodies of POSTs; JSONP
``bodies``          the packets of a POST: their limit, and their way to the session
``answers``         what belongs to an answer beside its payload
``refusals``        requests that break the rules of a transport
``websocket``       WebSockets of a server
``deflate``         permessage-deflate: what was negotiated, and what goes out
``opening``         the opening request of a WebSocket
``takeover``        a request's connection leaves HTTP and becomes a WebSocket
``upgrade``         from polling to WebSocket, without losing a message
==================  ==========================================================
"""
