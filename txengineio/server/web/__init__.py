"""HTTP: the door to ``twisted.web``.

====================  ===============================================================
``site``              sites that serve engines
``channel``           connections to a site of ours
``request_parser``    requests that arrive in one segment
``lazy_request``      requests that make what Twisted gives them when it is asked for
``request``           requests whose bodies are bounded while they arrive
``strict_channel``    what a strict server does not let pass
``body_limits``       how large a body may be, and how long it may take
``request_timeouts``  how long a request may take to arrive
``responses``         answers, each of them once and whole
``headers``           headers of answers that others have set
``header_lines``      headers as bytes
``takeover``          a request's connection, taken for another protocol
``resource``          an engine in any site
``child_resource``    resources that type checkers let be children of others
``health``            the page for load balancers
====================  ===============================================================
"""
