"""Watching sessions from outside, whichever side and engine they belong to.

==============  ====================================================
``observers``   functions that are called with each session that opens
``packet_log``  the packets of chosen sessions, in the log
==============  ====================================================
"""
