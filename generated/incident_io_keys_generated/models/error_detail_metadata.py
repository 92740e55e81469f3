# Made from openapi.yaml by scripts/generate. Do not edit.
from __future__ import annotations

ErrorDetailMetadata = dict[str, str]
""" Further facts. """
