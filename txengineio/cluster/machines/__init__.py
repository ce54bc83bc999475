"""The nodes of several machines: each connects to the others, and asks them itself.

A `membership` tells who is there, and carries messages. Requests for another node's
session go straight to that node, over connections on which both sides have proven that
they know the secret.

==============  ======================================================================
``challenge``   how two nodes prove to each other that they know the secret
``secret``      where that comes from
``unproven``    a connection, until both sides are proven
``links``       connections to other nodes
``arrivals``    those that come from other nodes, and who is turned away
``transports``  what TLS and the kernel do for such a connection
``addresses``   where a node listens for others, and where these connect to
``greetings``   what a node that has joined says to each of the others, by a link
``lookups``     the question whether an unknown node is a member by now
``peers``       the other nodes, each as this one sees it
``machines``    all of them, and the requests that are forwarded to them
``together``    the same with several nodes on each machine
``schemes``     the memberships that there are, by their URLs
``joining``     how an engine becomes one of a cluster, and leaves it
==============  ======================================================================
"""
