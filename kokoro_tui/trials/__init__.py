"""Trials: try one precision of one node, or of one shared-weight group, and measure what it does to the sound."""
