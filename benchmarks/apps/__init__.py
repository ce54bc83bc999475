"""The servers under test: all with the same application.

Each message is sent back; a text message that begins with "B" goes to all. The
answer to "L" is an "L" and by how many seconds a timer of 5 ms was late, at most, since
it was asked last; the timer runs from the first time on.
Each listens on a free port of 127.0.0.1 and is told the heartbeat's times, in
seconds, by `--ping-interval` and `--ping-timeout`. All else is left as it is
by default.
"""
