"""Plug-ins that ``new`` copies: each keeps its contract, and says it in comments."""
