"""Will a plan or a model run on a target: pure, from the inventory and from tables of kernels that ship as data."""
