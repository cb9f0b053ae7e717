"""What several tests ask of processes that were started."""

import os
import time


def gone(pids, seconds=5.0):
    """Whether none of the processes is there any more, or will be soon."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not any(map(alive, pids)):
            return True
        time.sleep(0.01)
    return False


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
