#!/usr/bin/env bash
# Starting the first process by multiprocessing unblocks SIGINT in the thread that had blocked it.
#
# Packages: none but CPython 3.11 (seen with 3.11.7, 2026-11-30), whose standard library has the behaviour.
#
# Expected: who wants a child that Ctrl-C in the terminal does not reach, such as an engine that must finish what is in
#           flight, blocks SIGINT with `signal.pthread_sigmask`, starts the process, which inherits the mask, and unblocks
#           it. vLLM, for one, starts its engine by multiprocessing.
# Seen:     `Process.start()` of the start methods `spawn` and `forkserver` starts the resource tracker first, once a
#           process. That blocks SIGINT and SIGTERM for its own sake and then unblocks both, in place of setting the mask
#           that was there: the child starts with SIGINT unblocked, and so does the rest of the caller's block. The second
#           process has the mask that was asked for. `resource_tracker.ensure_running()` before the block mends it.
#
# Output seen:
#   expected: SIGINT is blocked in the first child: True; in the second child: True; in the caller after: True
#   actual:   SIGINT is blocked in the first child: False; in the second child: True; in the caller after: False
#
# Exits with 1 if the behaviour changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -c 'import sys; raise SystemExit(sys.version_info[:2] != (3, 11) and "this needs Python 3.11")'

cat > "$folder/program.py" <<'PYTHON'
import multiprocessing
import signal


def is_blocked() -> bool:
    return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def start(context, connection) -> None:
    process = context.Process(target=send, args=(connection,))
    process.start()
    process.join()


def send(connection) -> None:
    connection.send(is_blocked())


if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    ours, theirs = multiprocessing.Pipe()
    results = []
    for _ in range(2):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        start(context, theirs)
        results += [ours.recv(), is_blocked()]
    print(results[0], results[2], results[1])
PYTHON
read -r first second after < <(cd "$folder" && python3 program.py)
echo "expected: SIGINT is blocked in the first child: True; in the second child: True; in the caller after: True"
echo "actual:   SIGINT is blocked in the first child: $first; in the second child: $second; in the caller after: $after"
[[ "$first $second $after" == "False True False" ]]
