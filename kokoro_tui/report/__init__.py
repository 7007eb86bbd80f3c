"""One self-contained HTML page that lets somebody else hear and judge what was done to a model."""
