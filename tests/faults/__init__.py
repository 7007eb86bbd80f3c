"""What must not lose anybody's work: kills, full disks, two windows, hostile files, long sessions.

``pytest tests/faults`` runs a bounded form; ``KOKORO_TUI_FAULTS=full pytest tests/faults`` the full counts.
"""
