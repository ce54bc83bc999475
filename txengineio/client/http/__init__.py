"""A client's HTTP requests, and the connections that they use.

=================  ============================================
``http_client``    requests, with cookies and within limits
``connections``    connections that stay
``answer_parser``  answers that arrive in one segment
``_twisted``       all that is private in Twisted's client and is used
``endpoints``      TCP, or TLS over it
``certificates``   what is wrong with a server's certificate
=================  ============================================
"""
