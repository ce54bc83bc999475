"""The server's side of Engine.IO.

=====================  ==============================================================
``engine``             the engine: one application, its sessions, and what they share
``session``            a session of the server
``broadcast``          one message to many sessions
``cluster``            what is known of the engines of other processes
``registry``           the open sessions by id
``draining``           ending all of them, at once or by and by
``ports``              the ports that an engine has opened itself
``health``             the page for load balancers
``child_resource``     resources that type checkers let be children of others
``handshake_request``  what is kept of the request that opened a session
``statistics``         what an engine counts once somebody wants to know
``interfaces``         what its parts may ask of each other, and of other processes
``options``            values of options, and their checks
``web``                the door to twisted.web: sites, requests, answers
``transports``         polling, JSONP, WebSocket, and the upgrade between them
``requests``           the way of a request, from its arrival to its session
=====================  ==============================================================
"""
