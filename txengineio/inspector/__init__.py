"""A page that shows what Engine.IO does: one session of its own, and all others."""
