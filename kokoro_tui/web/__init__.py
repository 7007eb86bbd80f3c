"""Pages for a browser: sound in its formats, the server that the ``listen`` page comes from, and shared assets."""
