"""What memberships have in common, whatever server carries what their nodes say.

==============  ========================================================================
``interfaces``  what is needed of such a server, and how that may fail
``urls``        what is wrong with a URL that names one
``tls``         how a server proves who it is
``attempts``    connections that are made again as long as they are wanted
``frames``      what nodes publish, and the proof that they did
``numbers``     how many messages were lost on the way
``name``        the name of a node, which nobody else has
``members``     the other nodes that a node knows, and which are silent
``bus``         what a node says and hears: bounded, counted
``tasks``       what takes its time, each once at a time
``membership``  a node's membership: all of that together
==============  ========================================================================
"""
