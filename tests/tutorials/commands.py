"""`loa` for the terminals of a tutorial: forks of one process that has imported the program.

A new interpreter takes a second for each command; a fork takes a tenth of it. Account, groups, folder,
environment, umask and standard files are those of the shell that calls. LOA_TEST_EXECUTE=1 executes instead.
"""

from __future__ import annotations

import json
import os
import pwd
import select
import signal
import socket
import struct
import sys
from pathlib import Path
from typing import Any

from tests.launcher import import_all

ROOT = Path(__file__).parents[2]
_LIMIT = 1 << 17
_LOOK_S = 0.02

_CALL = """#!{python} -IS
import json, os, signal, socket, sys
line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
line.connect({place!r})
mask = os.umask(0)
said = {{"arguments": sys.argv[1:], "environment": dict(os.environ), "folder": os.getcwd(), "umask": mask}}
socket.send_fds(line, [json.dumps(said).encode()], [0, 1, 2])
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda number, _: line.send(str(number).encode()))
sys.exit(int(line.recv(16)))
"""
_EXECUTE = '#!/bin/sh\nPYTHONPATH={root} exec {python} -m app.cli "$@"\n'


def install(folder: Path) -> None:
    """Write the command `loa` into the folder and, in a process of its own, serve it."""
    place = folder / "loa.socket"
    execute = "LOA_TEST_EXECUTE" in os.environ
    command = _EXECUTE if execute else _CALL
    (folder / "loa").write_text(command.format(python=sys.executable, root=ROOT, place=str(place)), "utf-8")
    (folder / "loa").chmod(0o755)
    if execute:
        return
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(str(place))
    place.chmod(0o666)
    listener.listen()
    if os.fork() == 0:
        import_all()
        _become(*_accept(listener))


def _accept(listener: socket.socket) -> tuple[socket.socket, dict[str, Any], list[int]]:
    """Fork for each caller; return in the program's own process."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        line, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            words, files, _, _ = socket.recv_fds(line, _LIMIT, 3)
            if program := os.fork():
                _attend(line, program)
            return line, json.loads(words), files
        line.close()


def _attend(line: socket.socket, program: int) -> None:
    """Pass on the caller's signals to the program, and its exit status to the caller."""
    while True:
        if select.select([line], [], [], _LOOK_S)[0]:
            number = line.recv(16)
            os.kill(program, int(number) if number else signal.SIGKILL)
        found, status = os.waitpid(program, os.WNOHANG)
        if found:
            line.send(str(os.waitstatus_to_exitcode(status)).encode())
            os._exit(0)


def _become(line: socket.socket, said: dict[str, Any], files: list[int]) -> None:
    """Take on what the caller has, and run its command."""
    _, uid, gid = struct.unpack("3i", line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    line.close()
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.initgroups(pwd.getpwuid(uid).pw_name, gid)
    os.setgid(gid)
    os.setuid(uid)
    os.umask(said["umask"])
    os.chdir(said["folder"])
    os.environ.clear()
    os.environ.update(said["environment"])
    sys.argv = ["loa", *said["arguments"]]
    from app.cli import main

    try:
        main()
    except SystemExit as ended:
        sys.stdout.flush()
        os._exit(ended.code if isinstance(ended.code, int) else 1)
