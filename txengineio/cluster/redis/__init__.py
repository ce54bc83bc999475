"""Nodes on several machines find each other in Redis, and hear what is for all of them.

=================  =====================================================================
``urls``           where Redis is, without what is secret
``interfaces``     what is needed of a connection, and how that may fail
``connection``     connections that are made again and again, by txredisapi
``endpoints``      the way to Redis: TCP, TLS, sockets of this machine, Sentinels
``frames``         what nodes publish, and the proof that they did
``numbers``        how many messages were lost on the way
``register``       the members' keys in Redis, and the names of everything there
``name``           the name of a node, which nobody else has
``members``        the other nodes that a node knows, and which are silent
``bus``            what a node says and hears: bounded, counted
``tasks``          what takes its time, each once at a time
``outside``        what programs say that are no nodes
``membership``     a node's membership: all of that together
``maker``          memberships from URLs; it needs ``txengineio[redis]``
=================  =====================================================================
"""
