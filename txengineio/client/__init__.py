"""The client: sessions with Engine.IO servers, and a service that keeps one up."""
