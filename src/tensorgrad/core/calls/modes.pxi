# What a thread is doing (recording or not), and which path the maths takes.

cdef extern from *:
    """
    #if defined(_MSC_VER)
    #define TG_THREAD_LOCAL __declspec(thread)
    #else
    #define TG_THREAD_LOCAL _Thread_local
    #endif
    static TG_THREAD_LOCAL int tg_grad = 1;
    static TG_THREAD_LOCAL int tg_inference = 0;
    static TG_THREAD_LOCAL int tg_anomaly = 0;      /* what new nodes remember: bits of REMEMBERS */
    static TG_THREAD_LOCAL unsigned int tg_region = 0;
    static TG_THREAD_LOCAL void *tg_walk = NULL;    /* the backward that runs in this thread; its caller keeps it alive */
    static int tg_kernels = 1;
    static int tg_traps = 0;                        /* how many ask for the trap, see trap.pxi */
    static int tg_lines = 0;                        /* and how many for the lines of forward calls, in all threads */
    static TG_THREAD_LOCAL int tg_watched = 0;      /* inside something whose result will be looked at as a whole */
    static TG_THREAD_LOCAL unsigned int tg_written = 0;     /* how much was written while the word of launches was set */
    static TG_THREAD_LOCAL void *tg_stepping = NULL;        /* the node whose gradients are looked at, */
    static TG_THREAD_LOCAL void *tg_arrived = NULL;         /* and what arrived there */
    static int tg_overriding = 0;                           /* a subclass of Tensor answers calls, or a mode does */
    static TG_THREAD_LOCAL int tg_apart = 0;                /* how many times this thread is where none is asked */
    static TG_THREAD_LOCAL int tg_low = 0;                  /* 1 + the dtype of mixed precision, 0 where there is none */
    """
    int tg_grad
    int tg_inference
    int tg_anomaly
    unsigned int tg_region
    void *tg_walk
    int tg_kernels
    int tg_traps
    int tg_lines
    int tg_watched
    unsigned int tg_written
    void *tg_stepping
    void *tg_arrived
    int tg_overriding
    int tg_apart
    int tg_low


cdef enum REMEMBERS:
    THE_LINE = 1        # of the forward call: anomaly detection
    THE_REGION = 2      # that they were made in: `_begin_region`
    ANY_NAN = 4         # beside the line: that gradients are not looked at for NaN
    TO_PACK = 8         # hooks pack what they save


cdef inline bint kernels_on() noexcept:
    return tg_kernels


def is_grad_enabled():
    """Whether this thread records on the tape.

    >>> tg.is_grad_enabled()
    True
    """
    return bool(tg_grad)


def is_inference_mode_enabled():
    """Whether this thread is in inference mode.

    >>> tg.is_inference_mode_enabled()
    False
    """
    return bool(tg_inference)


def _set_modes(grad=None, inference=None, anomaly=None, check_nan=None):
    """Sets this thread's modes that are not None and gives (grad, inference, anomaly, check_nan) as they were."""
    global tg_grad, tg_inference, tg_anomaly
    before = (bool(tg_grad), bool(tg_inference), bool(tg_anomaly & THE_LINE), not tg_anomaly & ANY_NAN)
    if grad is not None:
        tg_grad = bool(grad)
    if inference is not None:
        tg_inference = bool(inference)
    if anomaly is not None:
        tg_anomaly = tg_anomaly & ~THE_LINE | (THE_LINE if anomaly else 0)
    if check_nan is not None:
        tg_anomaly = tg_anomaly & ~ANY_NAN | (0 if check_nan else ANY_NAN)
    return before


def is_anomaly_enabled():
    """Whether this thread looks for NaN gradients and remembers the forward line of every op."""
    return bool(tg_anomaly & THE_LINE)


def get_backend():
    """``"kernels"`` or ``"numpy"``: which path the maths takes.

    >>> tg.get_backend() in ("kernels", "numpy")
    True
    """
    return "kernels" if tg_kernels else "numpy"


def set_backend(name):
    """Makes ``"kernels"`` (compiled) or ``"numpy"`` (every op's NumPy body) the path the maths takes.

    >>> tg.set_backend(tg.get_backend())
    """
    rarely()
    global tg_kernels
    if name not in ("kernels", "numpy"):
        raise ValueError(f"set_backend(): no backend {name!r}; there are 'kernels' and 'numpy'")
    tg_kernels = name == "kernels"
