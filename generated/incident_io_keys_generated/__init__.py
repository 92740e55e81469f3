# Made from openapi.yaml by scripts/generate. Do not edit.

"""A client library for accessing incident.io API keys"""
