"""The inspector: a page that shows what Engine.IO does.

================  =================================================
``pages``         the page and what it asks for, as resources
``session_list``  the sessions of an engine, as the page shows them
================  =================================================
"""
