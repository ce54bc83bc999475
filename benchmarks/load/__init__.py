"""The load generator: clients over raw sockets in one epoll loop."""
