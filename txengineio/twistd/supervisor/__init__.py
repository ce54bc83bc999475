"""``twistd engineio --workers``: a process that binds the sockets, and its workers.

============  =====================================================================
``service``   the supervisor: it starts the workers, replaces and stops them
``slots``     the place of a worker, which another process takes when one ends
``process``   a worker, as the supervisor sees it
``sockets``   who binds the listening sockets, and how a worker comes by them
``control``   what supervisor and workers tell each other, and what a worker is
``logs``      the log of the workers, which is the supervisor's
``worker``    the process of a worker
``watchdog``  what ends a worker whose reactor hangs, and says where
============  =====================================================================
"""
