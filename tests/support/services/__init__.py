"""Stand-ins for services outside of this machine: a web server, and the program gh."""
