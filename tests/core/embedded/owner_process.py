"""Starts servers, says which, and waits: the process that the tests bring to its end."""

from __future__ import annotations

import json
import multiprocessing
import sys
import time
from pathlib import Path

from ticketgen.embedded import EmbeddedServers


def run(directory: str, mode: str) -> None:
    with EmbeddedServers(Path(directory), durable=False) as servers:
        if mode == "fork":
            multiprocessing.get_context("fork").Process(target=time.sleep, args=(100,)).start()
        sys.stdout.write(json.dumps(servers.pids) + "\n")
        sys.stdout.flush()
        if mode == "leave":
            return
        if mode == "fail":
            raise SystemExit("as asked")
        time.sleep(1_000)


if __name__ == "__main__":
    run(*sys.argv[1:])
