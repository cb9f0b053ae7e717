# Memory that processes share.

cdef extern from *:
    """
    #include <errno.h>
    #if !defined(_WIN32)
    #include <sys/mman.h>
    #include <unistd.h>
    #endif

    /* The first bytes of an open file; NULL with errno set. A file that is shorter is refused: its missing pages would
     * end the process when they are touched. */
    static char *tg_map_file(int fd, size_t nbytes)
    {
    #if defined(_WIN32)
        (void)fd, (void)nbytes;
        errno = ENOSYS;
        return NULL;
    #else
        off_t end = lseek(fd, 0, SEEK_END); /* fstat asks for a younger C library */
        int flags = MAP_SHARED;
    #if defined(MAP_POPULATE)
        flags |= MAP_POPULATE; /* all pages at once cost a fifth of one fault for each */
    #endif
        if (end < 0) return NULL;
        if ((uint64_t)end < nbytes) {
            errno = EINVAL;
            return NULL;
        }
        void *memory = mmap(NULL, nbytes, PROT_READ | PROT_WRITE, flags, fd, 0);
        return memory == MAP_FAILED ? NULL : (char *)memory;
    #endif
    }

    static void tg_unmap(char *memory, size_t nbytes)
    {
    #if !defined(_WIN32)
        munmap(memory, nbytes);
    #endif
    }
    """
    char *tg_map_file(int fd, size_t nbytes) nogil
    void tg_unmap(char *memory, size_t nbytes) nogil
    int tg_errno "errno"


cdef class MappedFile:
    """The first bytes of an open file as memory, shared with all who map it, and writable. Unlike `mmap.mmap` it keeps no
    descriptor: the file may be closed, and as many may be held as there is memory for.
    """
    cdef char *at
    cdef Py_ssize_t nbytes

    def __cinit__(self, int fd, Py_ssize_t nbytes):
        rarely()
        cdef int error
        if nbytes <= 0:
            raise ValueError(f"can't map {nbytes} bytes of a file")
        with nogil:
            self.at = tg_map_file(fd, nbytes)
            error = tg_errno
        if self.at is NULL:
            raise OSError(error, f"can't map {nbytes} bytes of a file: {os.strerror(error)}")
        self.nbytes = nbytes

    def __dealloc__(self):
        if self.at is not NULL:
            tg_unmap(self.at, self.nbytes)

    def __len__(self):
        return self.nbytes

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        PyBuffer_FillInfo(buffer, self, self.at, self.nbytes, 0, flags)
