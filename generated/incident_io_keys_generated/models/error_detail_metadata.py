# Made from openapi.yaml by scripts/generate. Do not edit.
from collections.abc import Mapping

ErrorDetailMetadata = Mapping[str, str]
"""Further facts."""
