"""The benchmark suite: what one operation costs here and at other servers."""
