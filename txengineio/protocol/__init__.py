"""The Engine.IO protocol without a network: pure functions, values and tables.

Nothing here imports Twisted, reads a clock or does I/O, so server and client share it.

=====================  ===============================================================
``packets``            the types of packets, and the text form both revisions share
``codec``              the interface of a codec: packets from and to frames and bodies
``revision3``          the codec of protocol revision 3
``revision4``          the codec of protocol revision 4
``revisions``          ``codec_for``: from the number of a revision to its codec
``text``               str and the encodings that the wire counts in
``jsonp``              the wrapping of polling bodies for clients that load scripts
``handshake``          the content of the open packet
``query``              the query string of a request
``states``             states and tables: what each packet does, and when
=====================  ===============================================================
"""
