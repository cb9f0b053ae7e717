# Blocks of memory as the rest of the core sees them.

cdef extern from "tensor/storage.h" nogil:
    Block *block_new(size_t nbytes)
    Block *block_borrow(PyObject *owner, char *start, size_t nbytes, int frozen)
    char *block_data(Block *block)
    char *block_start(Block *block)
    PyObject *block_owner(Block *block)
    void block_keep(Block *block)
    void block_drop(Block *block)
    size_t block_nbytes(Block *block)
    size_t storage_taken()
    size_t storage_waiting()
    void storage_trim()
    void storage_hold(int hold)

cdef extern from "tensor/storage.h":
    void storage_visit(void (*visit)(void *context, Block *block) noexcept, void *context)

cdef extern from *:
    """
    static int tg_tracked(PyObject *o) { return PyObject_GC_IsTracked(o); }
    """
    bint tg_tracked(PyObject *o)
    void PyObject_GC_UnTrack(PyObject *o)
    void PyObject_GC_Track(PyObject *o)
    Py_ssize_t tg_refcount "Py_REFCNT"(PyObject *o)


class AllocationError(RuntimeError, MemoryError):
    """Memory that the system does not have; the text names the bytes."""


@cython.freelist(64)
cdef class BlockHolder:
    """Keeps a block alive for an array that shows its memory."""
    cdef Block *block

    def __dealloc__(self):
        if self.block is not NULL:
            block_drop(self.block)


cdef int KERNELS_RUNNING = 0            # without the GIL
cdef list RETIRED = []                  # holders of blocks that a tensor gave up meanwhile


cdef inline void begin_unlocked() noexcept:
    global KERNELS_RUNNING
    KERNELS_RUNNING += 1


cdef inline int end_unlocked() except -1:
    global KERNELS_RUNNING
    KERNELS_RUNNING -= 1
    if KERNELS_RUNNING == 0 and len(RETIRED):
        RETIRED.clear()
    return 0


cdef int retire(Block *block) except -1:
    """Drops a block that another thread's kernel, which knows only addresses, may still be reading or
    writing.
    """
    if KERNELS_RUNNING:
        RETIRED.append(holder_of(block))
    block_drop(block)
    return 0


cdef BlockHolder holder_of(Block *block):
    cdef BlockHolder holder = BlockHolder.__new__(BlockHolder)
    block_keep(block)
    holder.block = block
    return holder


cdef BlockHolder lent_by(Block *block):
    """The holder of the block whose memory this one shows under a version of its own; None of any other block."""
    cdef PyObject *owner = block_owner(block)
    if owner is NULL or type(<object>owner) is not BlockHolder:
        return None
    return <BlockHolder><object>owner


def empty_cache():
    """Gives the memory that freed tensors left for new ones back to the system, and returns how many bytes that were.

    There are at most as many of them as tensors hold, or 64 MB where that is more, so programs seldom need it.

    >>> tg.empty_cache() >= 0 and tg.memory_reserved() >= tg.memory_allocated()
    True
    """
    cdef size_t had = storage_taken()
    storage_trim()
    return had - storage_taken()


def memory_allocated():
    """The bytes that tensors hold; memory that is NumPy's is not counted.

    >>> before = tg.memory_allocated()
    >>> x = tg.ones(1000, 1000)
    >>> tg.memory_allocated() - before >= 4_000_000
    True
    """
    return storage_taken() - storage_waiting()


def memory_reserved():
    """The bytes that tensors hold, and those that freed ones left for new ones."""
    return storage_taken()


cdef void remember_bytes(void *context, Block *block) noexcept:
    (<dict>context)[<size_t>block_data(block)] = (<char *>block_data(block))[:block_nbytes(block)]


def _bytes_in_use():
    """What all memory of tensors holds, NumPy's not counted: bytes by address. For tests of who writes where."""
    cdef dict found = {}
    storage_visit(remember_bytes, <void *>found)
    return found


def _hold_freed(bint hold):
    """Whether small memory that is freed meanwhile waits apart, so that an address stands for one tensor only."""
    storage_hold(hold)


cdef inline void untrack(object o):
    """Takes an object out of the cycle collector's lists: graphs of a million nodes cost it nothing that way.
    """
    PyObject_GC_UnTrack(<PyObject *>o)


cdef inline void track(object o):
    """Back again, before arbitrary Python objects are attached, which could form a cycle."""
    if not tg_tracked(<PyObject *>o):
        PyObject_GC_Track(<PyObject *>o)
