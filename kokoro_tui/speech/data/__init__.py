"""Data files of the speech package; each names its source."""
