# Copies of tensors, and the parts that they are pickled as.

cdef Tensor copy_of(Tensor self):
    """For ``copy.copy``: another tensor on the same memory, with the same history."""
    rarely()
    cdef Tensor t
    if type(self) is Tensor:
        t = alias_of(self)
    else:
        t = type(self).__new__(type(self))
        share_memory(t, self)
    t.requires = self.requires
    t.node = self.node
    t.nr = self.nr
    for name, value in attributes_of(self).items():
        setattr(t, name, value)
    return t


cdef Tensor on_copied_memory(Tensor t, dict copies):
    """``t`` on a copy of all its memory. ``copies`` keeps the copies, so that who shares memory shares the copy."""
    rarely()
    cdef Tensor copy = alias_of(t)
    cdef BlockHolder memory = holder_of(t.block), made
    cdef BlockHolder lender = lent_by(t.block)
    cdef size_t nbytes
    while lender is not None:               # what is counted apart is one memory all the same
        memory = lender
        lender = lent_by(memory.block)
    if <size_t>memory.block not in copies:
        nbytes = block_nbytes(memory.block)
        made = BlockHolder.__new__(BlockHolder)
        made.block = block_new(nbytes)
        if made.block is NULL:
            raise AllocationError(f"can't allocate memory: a copy needs {nbytes} bytes")
        copy_memory(block_data(made.block), block_start(memory.block), nbytes, U8)
        copies[<size_t>memory.block] = made, memory
    made = copies[<size_t>memory.block][0]
    block_keep(made.block)
    copy.at = block_data(made.block) + (t.at - block_start(memory.block))
    block_drop(copy.block)
    copy.block = made.block
    return copy


cdef Tensor deep_copy_of(Tensor self, memo):
    """For ``copy.deepcopy``."""
    rarely()
    if self.node is not None:
        raise RuntimeError("Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at "
                           "the moment. If you were attempting to deepcopy a module, this may be because of a "
                           "tensor that an op made being one of its attributes; detach() it first.")
    if id(self) in memo:
        return memo[id(self)]
    import copy
    cdef Tensor t = type(self).__new__(type(self))
    share_memory(t, on_copied_memory(self, memo.setdefault("tensorgrad", {})))
    t.requires = self.requires
    memo[id(self)] = t
    if self.grad_ is not None:
        t.grad_ = copy.deepcopy(self.grad_, memo)
    for name, value in attributes_of(self).items():
        setattr(t, name, copy.deepcopy(value, memo))
    return t


cdef tuple pickled(Tensor self):
    """For ``pickle``: what makes it anew, and of what."""
    rarely()
    cdef Tensor t = alias_of(self)
    cdef tuple parts = (type(self), bool(needs_grad(self)), attributes_of(self))
    elements = 1 + sum([(size - 1) * step for size, step in zip(t.shape, t.stride())]) if t.count else 0
    array = array_of(t.as_strided((elements,), (1,)))
    if (<dtype>DTYPE_LIST[self.code]).own is None:
        return _rebuild, (*parts, array.view(f"u{ITEMSIZE[self.code]}"), tuple(t.shape), t.stride(), self.dtype)
    return _rebuild, (*parts, array, tuple(t.shape), t.stride())


def _rebuild(cls, requires_grad, attributes, array, shape, strides, dtype d=None):
    """A tensor from its pickled parts; the array has the elements from its first to its last in memory, as bits of a dtype that
    NumPy does not have.
    """
    rarely()
    cdef Tensor t = cls.__new__(cls)
    cdef Tensor made = copy_array(array if d is None else array.view(f"V{d.itemsize}"), NO_DTYPE if d is None else d.code)
    share_memory(t, made.as_strided(shape, strides))
    t.requires = requires_grad
    for name, value in attributes.items():
        setattr(t, name, value)
    return t
