"""Measuring renderings against each other, writing them, and playing them."""
