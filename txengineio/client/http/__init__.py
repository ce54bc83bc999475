"""A client's HTTP requests, and the connections that they use.

=================  ============================================
``http_client``    requests, with cookies and within limits
``connections``    connections that stay
``answer_parser``  answers that arrive in one segment
``_twisted``       the private names of Twisted's client that are used
``endpoints``      TCP, or TLS over it
``certificates``   servers' certificates, and what is wrong with them
=================  ============================================
"""
