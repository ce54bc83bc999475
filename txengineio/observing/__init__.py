"""Seeing what happens: sessions from outside, whichever side they are of; and the log.

==============  ====================================================
``observers``   functions that are called with each session that opens
``packet_log``  the packets of chosen sessions, in the log
``seldom``      lines in the log about what happens often
==============  ====================================================
"""
