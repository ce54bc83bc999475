"""Plain stream sockets, read from and written to with fewer detours than Twisted's.

Everything here is for transports of Twisted's own, and changes nothing about them but
the time that they take.
"""
