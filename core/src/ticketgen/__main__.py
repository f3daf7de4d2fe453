"""`python -m ticketgen`: the command line."""

from __future__ import annotations

from ticketgen.cli.main import main

main()
