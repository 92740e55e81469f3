"""A certificate authority that clients trust through the environment, and a server's TLS context."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme


def trusted_context(directory: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """Make an authority, let the environment name it, and return the context of a server for `localhost`."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(directory / "authority.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(directory / "authority.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context
