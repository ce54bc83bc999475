"""What a session is made of on both sides of a connection."""
