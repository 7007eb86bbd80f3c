"""Which kernels each target has: facts with their source and date, one file a target."""
