"""``twistd engineio --workers``: a process that binds the sockets, and its workers.

===========  =====================================================================
``control``  what supervisor and workers tell each other, and what a worker is
===========  =====================================================================
"""
