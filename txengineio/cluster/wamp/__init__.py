"""Nodes on several machines find each other by a router of WAMP, such as Crossbar.io.

============  ==========================================================================
``urls``      where the router is, without what is secret
``session``   sessions of WAMP, by Autobahn
``wire``      a session that is begun again and again
``register``  the members' procedures, and the names of everything there
``maker``     memberships from URLs
============  ==========================================================================
"""
