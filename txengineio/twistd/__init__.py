"""``twistd engineio``: the command line, and the service that it starts.

===============  =========================================
``options``      the command line
``limit_flags``  its flags that set options of the engine
``node_flags``   its flags for several processes on one machine
``endpoints``    where it listens, and why it cannot
``service``      the service: it listens, drains and stops
``supervisor``   several processes instead of one: ``--workers``
===============  =========================================
"""
