# Draws without the GIL, and processes that are forked meanwhile.

# A child forked while a thread draws would have the lock without the thread that lets it go, and an engine in the
# middle of a step. So a fork waits for those that draw, and until it is done nobody draws without the GIL.
cdef int OUTSIDE = 0            # threads that draw, or wait to draw, without the GIL
cdef int FORKS = 0              # forks that wait, or are being made


cdef bint goes_outside(Py_ssize_t n) noexcept:
    """Whether a draw of `n` is to run without the GIL; it is counted then, and `leave` is told so."""
    global OUTSIDE
    cdef bint outside = n >= LARGE and not FORKS
    OUTSIDE += outside
    return outside


def _before_fork():
    global FORKS
    FORKS += 1
    while OUTSIDE:
        time.sleep(0.0005)


def _after_fork():
    global FORKS
    FORKS -= 1


def _after_fork_in_child():
    global FORKS
    FORKS = 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork_in_child)
