"""``twistd engineio --workers``: a process that binds the sockets, and its workers.

===============  =====================================================================
``service``      the supervisor: it starts the workers, replaces and stops them
``slots``        the place of a worker, which another process takes when one ends
``process``      a worker, as the supervisor sees it
``sockets``      how listening sockets are bound, and passed on to the workers
``control``      the messages between supervisor and workers
``logs``         the log of the workers, which is the supervisor's
``worker``       the process of a worker
``inheritance``  its listening sockets, and those of slots that have no worker
``shared_port``  a port on a socket that others accept from, too
``watchdog``     what ends a worker whose reactor hangs, and says where
===============  =====================================================================
"""
