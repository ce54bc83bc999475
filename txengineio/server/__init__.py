"""The server's side of Engine.IO."""
