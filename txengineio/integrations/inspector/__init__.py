"""The inspector: a page that shows what Engine.IO does.

================  ==================================================
``pages``         the page and what it asks for, as resources
``selection``     which sessions a page wants, picked out of all
``session_list``  the sessions of an engine, as the page shows them
``cluster_list``  those of all engines that serve the same clients
``reports``       what each engine has to add, put together
================  ==================================================

The page itself is in the folder ``page``: HTML, CSS and JavaScript modules, as browsers
take them.
"""
