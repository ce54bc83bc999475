"""HTTP: the door to ``twisted.web``.

====================  ===============================================================
``site``              sites that serve engines
``channel``           connections to a site of ours
``request_parser``    requests that arrive in one segment
``lazy_request``      requests that make what Twisted gives them when it is asked for
``incoming_request``  a request as the code behind this door sees it
``request``           requests to a site of ours, bounded while they arrive
``foreign_request``   requests to anybody's site
``strict_channel``    what a strict server does not let pass
``body_limits``       how large a body may be, and how long it may take
``request_timeouts``  how long a request may take to arrive
``responses``         how answers are written
``headers``           headers of answers that others have set
``_twisted``          what is private in Twisted
``resource``          an engine in any site
====================  ===============================================================
"""
