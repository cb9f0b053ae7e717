# Python's buffer protocol: the memory of a tensor as other programs see it.

cdef int show_memory(Tensor self, Py_buffer *buffer, int flags) except -1:
    cdef int i
    cdef Py_ssize_t *dims
    if needs_grad(self):
        raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
    if (<dtype>DTYPE_LIST[self.code]).own is None:
        raise BufferError(f"the buffer protocol has no letter for {DTYPE_LIST[self.code].name}; convert with .float() first")
    if self.block.frozen and flags & PyBUF_WRITABLE:
        raise BufferError("the memory of this tensor is read-only")
    if not self.contiguous and flags & PyBUF_STRIDES != PyBUF_STRIDES:
        raise BufferError("this tensor is not contiguous, and the reader asked for contiguous memory")
    if not self.contiguous and ((flags & PyBUF_C_CONTIGUOUS) == PyBUF_C_CONTIGUOUS
                                or (flags & PyBUF_ANY_CONTIGUOUS) == PyBUF_ANY_CONTIGUOUS):
        raise BufferError("this tensor is not contiguous, and the reader asked for contiguous memory")
    if self.nd > 1 and (flags & PyBUF_F_CONTIGUOUS) == PyBUF_F_CONTIGUOUS:
        raise BufferError("the reader asked for memory in the order of Fortran")
    dims = <Py_ssize_t *>malloc((1 + 2 * self.nd) * sizeof(Py_ssize_t))
    if dims is NULL:
        raise MemoryError()
    dims[0] = <Py_ssize_t>self.block        # kept here: the tensor may be given other memory while this is shown
    block_keep(self.block)
    for i in range(self.nd):
        dims[1 + i] = shape_of(self)[i]
        dims[1 + self.nd + i] = strides_of(self)[i]
    buffer.buf = self.at
    buffer.len = self.count * ITEMSIZE[self.code]
    buffer.readonly = self.block.frozen
    buffer.itemsize = ITEMSIZE[self.code]
    buffer.format = <char *>(<dtype>DTYPE_LIST[self.code]).letter if flags & PyBUF_FORMAT else NULL
    buffer.ndim = self.nd
    buffer.shape = dims + 1 if flags & PyBUF_ND else NULL
    buffer.strides = dims + 1 + self.nd if flags & PyBUF_STRIDES == PyBUF_STRIDES else NULL
    buffer.suboffsets = NULL
    buffer.internal = dims
    return 0


cdef void hide_memory(Py_buffer *buffer) noexcept:
    cdef Py_ssize_t *dims = <Py_ssize_t *>buffer.internal
    block_drop(<Block *>dims[0])
    free(dims)
