"""Engine.IO beside others: WAMP, Crossbar.io, Prometheus, and a page for people.

===================  ================================================
``wamp``             a bridge between sessions and a WAMP realm
``publications``     publishing into a realm that is not always there
``crossbar``         a web service of Crossbar.io
``metrics``          what an engine counts, as OpenMetrics
``cluster_metrics``  what the engines of several processes count
``socketio``         python-socketio's servers on an engine of ours
``streams``          ordinary stream protocols over sessions
``client_script``    the official client for browsers, served
``inspector``        a page that shows what Engine.IO does
``pages``            pages that come with the package, as resources
===================  ================================================
"""
