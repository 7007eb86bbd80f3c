"""Recipes that ship with the package, one TOML file each; `kokoro_tui.store.presets` reads them."""
