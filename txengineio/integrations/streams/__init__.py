"""Ordinary Twisted stream protocols over sessions, on either side.

=============  ======================================================================
``transport``  a session as the transport of a stream protocol
``factory``    `StreamFactory`: a factory of stream protocols, as an application
``endpoints``  sessions behind ``IStreamServerEndpoint`` and ``IStreamClientEndpoint``
``strings``    the endpoint strings ``engineio:…``
=============  ======================================================================
"""
