"""``twistd engineio``, ``twistd socketio``: command lines, and what they start.

====================  ======================================================
``options``           ``twistd engineio``
``socketio_options``  ``twistd socketio``
``serves``            what the commands differ in
``server_options``    the command line of each of them
``flags``             its flags, in groups
``limit_flags``       those that set options of the engine
``node_flags``        those for several processes on one machine
``cluster_flags``     those for several machines
``shares``            the limits of a machine, divided among these
``endpoints``         where it listens, and why it cannot
``service``           the service of an engine: it listens, drains and stops
``command_service``   the same for a command: more is served, in its own process
``signals``           signals that a service sees to itself
``turning``           a wait before the reactor runs
``supervisor``        several processes instead of one: ``--workers``
====================  ======================================================
"""
