"""Several processes that serve one engine each: requests find the process of a session.

The id of a session names its node (``node_name``), and a connection whose request is
for another node's session is given to it, socket and all.

=================  =====================================================================
``interfaces``     what an engine needs of a cluster, and of each other node
``targets``        which session the first bytes of a request are for
``placement``      which node is to have a new session
``packets``        what nodes of one machine send each other, sockets among it
``pieces``         messages that come in pieces, put together again
``links``          the ways from one node to another
``forwarding``     requests whose connections cannot be moved
``outbox``         what one node tells another, and what waits of it
``workers``        the nodes of one machine, which find each other in a directory
``messages``       what engines say to each other, as bytes
``questions``      what they ask, and wait for the answer
``channels``       who listens to what other nodes say
``joined_engine``  one engine among others: what is for the sessions of all nodes
=================  =====================================================================
"""
