"""Requests whose connections cannot be moved: the node of their session answers them.

TLS in the process, a site of another kind, a first line in pieces: then the request is
read here, written to the other node as HTTP/1.1 on a connection between the two, and
its answer comes back the same way. A WebSocket is a tunnel from then on.

==================  ====================================================================
``preface``         the client of a request: what stands before it on such a connection
``request_writer``  a request that was read here, as bytes
``answer_reader``   the answer to it, taken apart
``tunnel``          two connections, joined for their lives
``carrier``         a connection to another node, and the request that it carries
``forwarder``       all connections to one other node, and how many requests they carry
``releasing``       the end of a node that has requests under way at others
``pairs``           how such a connection is made on one machine
``site``            the other side: requests from other nodes, served as any are
==================  ====================================================================
"""
