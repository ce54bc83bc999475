"""What a Socket.IO server does without an application: a chat to try it out.

=========  =======================================================
``chat``   the chat: people, rooms, and what they say
``pages``  its page, as resources
=========  =======================================================

The page itself is in the folder ``page``: HTML, CSS and JavaScript modules, as browsers
take them. It speaks Socket.IO by some lines of its own, so that nothing has to be
installed for it, or by the official client where that is served.
"""
