"""What one client sends keeps nobody else waiting: measured with real sockets."""
