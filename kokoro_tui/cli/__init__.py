"""The headless front end: one module a command, each a thin layer over the core."""
