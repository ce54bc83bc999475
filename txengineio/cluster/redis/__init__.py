"""Nodes on several machines find each other in Redis, and hear what is for all of them.

=================  =====================================================================
``urls``           where Redis is, without what is secret
``interfaces``     what is needed of a connection, and how that may fail
``connection``     connections that are made again and again, by txredisapi
``endpoints``      the way to Redis: TCP, TLS, sockets of this machine, Sentinels
``register``       the members' keys in Redis, and the names of everything there
``wire``           two connections: one to say something, and one to hear
``outside``        what programs say that are no nodes
``maker``          memberships from URLs; it needs ``txengineio[redis]``
=================  =====================================================================
"""
