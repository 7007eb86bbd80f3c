"""Two themes of our own, and one colour per precision in every theme."""

from __future__ import annotations

from textual.theme import Theme

DARK = Theme(
    name="kokoro-dark",
    primary="#7aa2f7",
    secondary="#bb9af7",
    accent="#ff9e64",
    warning="#e0af68",
    error="#f7768e",
    success="#9ece6a",
    foreground="#c8d0ee",
    background="#16171f",
    surface="#1c1e29",
    panel="#272a3a",
    dark=True,
    variables={
        "footer-background": "#1c1e29",
        "footer-key-foreground": "#7aa2f7",
        "block-cursor-background": "#3d4b78",
        "block-cursor-foreground": "#ffffff",
        "block-cursor-text-style": "bold",
        "block-cursor-blurred-background": "#2a2e42",
        "border": "#7aa2f7",
        "border-blurred": "#363b54",
    },
)
LIGHT = Theme(
    name="kokoro-light",
    primary="#2e5cc5",
    secondary="#7847bd",
    accent="#b15c00",
    warning="#8f5e15",
    error="#c0304f",
    success="#3b6e22",
    foreground="#262a3e",
    background="#f7f7fb",
    surface="#eeeff6",
    panel="#e1e3ee",
    dark=False,
    variables={
        "footer-background": "#e1e3ee",
        "footer-key-foreground": "#2e5cc5",
        "block-cursor-background": "#b9c9f2",
        "block-cursor-foreground": "#10131f",
        "block-cursor-text-style": "bold",
        "block-cursor-blurred-background": "#dde2f1",
        "border": "#2e5cc5",
        "border-blurred": "#c2c6d8",
    },
)
THEMES = (DARK, LIGHT)
DEFAULT_THEME = DARK.name

_ON_DARK = {
    "precision-fp32": "#8088a8",
    "precision-fp16": "#7aa2f7",
    "precision-int8": "#ff9e64",
    "precision-w8": "#9ece6a",
    "precision-locked": "#f7768e",
    "precision-marked": "#e0af68",
    "precision-saved": "#2a2e42",
    "text-dim": "#8a91b0",
}
_ON_LIGHT = {
    "precision-fp32": "#737a94",
    "precision-fp16": "#2e5cc5",
    "precision-int8": "#b15c00",
    "precision-w8": "#3b6e22",
    "precision-locked": "#c0304f",
    "precision-marked": "#8f5e15",
    "precision-saved": "#d5d8e6",
    "text-dim": "#6a7090",
}


def precision_colours(*, dark: bool) -> dict[str, str]:
    """Theme variables for the precisions; a theme may define its own under the same names."""
    return dict(_ON_DARK if dark else _ON_LIGHT)
