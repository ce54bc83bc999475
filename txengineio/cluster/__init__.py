"""Several processes that serve one engine each: requests find the process of a session.

The id of a session names its node (``node_name``), and a connection whose request is
for another node's session is given to it, socket and all.

=================  =====================================================================
``interfaces``     what an engine needs of a cluster, and of each other node
``membership``     how the nodes of several machines find each other, and hear all
``broker``         what memberships have in common, whoever carries the messages
``redis``          memberships by Redis
``wamp``           memberships by a router of WAMP
``targets``        which session the first bytes of a request are for
``placement``      which node gets a new session
``packets``        what one machine's nodes send each other, sockets included
``pieces``         messages that come in pieces, put together again
``links``          connections between nodes: one to send by, one to receive by
``forwarding``     requests whose connections cannot be moved
``machines``       the nodes of several machines: links between them, requests forwarded
``moves``          connections that are given to another node, or taken from one
``outbox``         messages to another node, and those that wait for it
``workers``        one machine's nodes: finding each other, giving connections away
``messages``       what engines say to each other, as bytes
``questions``      what they ask each other, and the wait for the answer
``channels``       the listeners to other nodes' messages
``joined_engine``  one engine among others: what concerns the sessions of all
=================  =====================================================================
"""
