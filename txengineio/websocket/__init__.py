"""WebSockets: RFC 6455 for both sides. Knows nothing of Engine.IO.

===================  ====================================================
``heads``            the first bytes of a frame
``frames``           making frames, and reading the most frequent kind of all
``masking``          the XOR of section 5.3
``reader``           bytes in; text, binary and control frames out
``close_search``     what is of interest after a failure
``partial_message``  messages that come in several frames
``read_turns``       when a connection reads, so that no peer keeps others waiting
``writer``           bytes out, in the right order
``limits``           what a peer may cost
``deflate``          permessage-deflate, RFC 7692
``close_timeout``    how long a peer may take to say goodbye
``interfaces``       the receivers of the input
``factories``        what the connections of a server, or a client, share
``_autobahn``        connections, and all that is private to Autobahn
===================  ====================================================
"""
