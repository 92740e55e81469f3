"""`incident-io-keys completion`: what a shell needs to complete the command."""

from __future__ import annotations

from typing import Final

import click
from click.shell_completion import get_completion_class

from ._session import Session

# Where the shell tells the command what is to be completed.
VARIABLE: Final = "_INCIDENT_IO_KEYS_COMPLETE"
_SHELLS: Final = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(_SHELLS))
@click.pass_obj
def completion(session: Session, shell: str) -> None:
    """Print what lets SHELL complete this command.

    \b
    bash: eval "$(incident-io-keys completion bash)", in ~/.bashrc
    zsh:  eval "$(incident-io-keys completion zsh)", in ~/.zshrc, after compinit
    fish: incident-io-keys completion fish | source, in ~/.config/fish/config.fish
    """  # noqa: D301 - click's mark of a paragraph that stays as it is
    kind = get_completion_class(shell)
    assert kind is not None, "click has all three"  # noqa: S101 - for the type checker
    source = kind(click.Command(None), {}, "incident-io-keys", VARIABLE).source()
    session.terminal.write(source + "\n")
