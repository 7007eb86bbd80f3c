"""From a limit to a plan: what every precision costs, the best choice, and what that choice really sounds like."""
