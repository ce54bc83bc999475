"""WebSockets: RFC 6455 for both sides. Knows nothing of Engine.IO.

===================  ====================================================
``frames``           making frames
``masking``          the XOR of section 5.3
``reader``           bytes in; text, binary and control frames out
``partial_message``  messages that come in several frames
``writer``           bytes out, in the right order
``limits``           what a peer may cost
``deflate``          permessage-deflate, RFC 7692
``close_timeout``    how long a peer may take to say goodbye
``interfaces``       the receivers of the input
``factories``        what the connections of a server, or a client, share
``_autobahn``        connections, and all that is private to Autobahn
===================  ====================================================
"""
