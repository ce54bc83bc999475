"""``twistd engineio``: the command line, and the service that it starts.

===============  =========================================
``options``      the command line
``limit_flags``  its flags for limits
``service``      the service: it listens, drains and stops
===============  =========================================
"""
