"""Sockets: the door to ``twisted.internet``.

Plain stream sockets are read from and written to here with fewer detours than Twisted's
own; nothing about them changes but the time that they take.

======================  =============================================================
``poller``              reads from many connections in one turn of the reactor
``watched_connection``  the connections that a poller watches
``accepted``            connections of sockets that were accepted, here or elsewhere
``read_size``           how much is read at a time, and the memory for it
``direct_writes``       writing to a socket at once, without asking the reactor first
``release``             letting a socket go that another process goes on with
``certificates``        who is at the other end of a TLS connection
``endpoints``           where to listen, from a string
``_twisted``            all that is private in ``twisted.internet`` and is used
``turns``               what keeps one peer from occupying the reactor
======================  =============================================================
"""
