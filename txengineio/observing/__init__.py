"""Watching sessions from outside, whichever side and engine they belong to.

=============  ====================================================
``observers``  who is told of each session that opens
=============  ====================================================
"""
