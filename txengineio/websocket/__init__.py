"""WebSockets: RFC 6455 for both sides. Knows nothing of Engine.IO.

===========  =================================
``frames``   bytes of frames, written and read
``masking``  the XOR of section 5.3
===========  =================================
"""
