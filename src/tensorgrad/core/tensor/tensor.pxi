# Tensor: shape, strides and a block of memory; a node when it was recorded.

@cython.freelist(512)
cdef class Tensor:
    """A multi-dimensional array of one dtype that can remember how it was computed.

    Made by ``tg.tensor(data)``, ``tg.zeros(...)`` and their kin; shares memory with NumPy both ways
    (``tg.from_numpy``, ``t.numpy()``).

    >>> x = tg.tensor([1.0, 2.0], requires_grad=True)
    >>> (x ** 2).sum().backward(); x.grad
    tensor([2., 4.])
    """

    def __cinit__(self):
        pass

    def __init__(self, *args, **settings):
        if self.flags & FLAG_BLANK:
            take_place(self, <Tensor>_legacy_constructor(args, **settings))

    def __dealloc__(self):
        cdef Tensor grad = self.grad_, following
        self.grad_ = None
        while grad is not None and tg_refcount(<PyObject *>grad) == 1:      # a chain of gradients must not end in recursion
            following = grad.grad_
            grad.grad_ = None
            grad = following
            following = None
        if self.block is not NULL:
            block_drop(self.block)
        if self.nd > INLINE_DIMS:
            free(<void *>self.dims[0])
        Py_XDECREF(<PyObject *>self.attributes)
        self.attributes = NULL

    def __setattr__(self, name, value):
        track(self)
        generic_setattr(self, name, value)

    # ---- what it is

    @property
    def shape(self):
        """The sizes of its dimensions."""
        return size_object(self)

    @property
    def dtype(self):
        """The type of its elements."""
        return DTYPE_LIST[self.code]

    @property
    def device(self):
        """Always ``device("cpu")``."""
        return CPU

    @property
    def layout(self):
        """Always ``strided``."""
        return strided

    @property
    def ndim(self):
        """The number of dimensions."""
        return self.nd

    @property
    def itemsize(self):
        """Bytes of one element."""
        return ITEMSIZE[self.code]

    @property
    def nbytes(self):
        """Bytes of all elements."""
        return <object>self.count * ITEMSIZE[self.code]     # of elements that share memory more than there are addresses

    @property
    def is_leaf(self):
        """True when no recorded op made it."""
        needs_grad(self)
        return self.node is None

    @property
    def output_nr(self):
        """Which output of its ``grad_fn`` it is."""
        return self.nr

    @property
    def grad_fn(self):
        """The node of the op that made it, or None."""
        needs_grad(self)
        return None if self.node is None else shown(self.node)

    @property
    def requires_grad(self):
        """Whether operations on it are recorded."""
        if self.flags & FLAG_UNFOLLOWED_VIEW:
            return bool(self.requires or needs_grad(self.base))
        return bool(needs_grad(self))

    @requires_grad.setter
    def requires_grad(self, bint value):
        set_requires_grad(self, value)

    @property
    def retains_grad(self):
        """Whether a non-leaf tensor keeps its gradient."""
        return bool(self.flags & FLAG_RETAINS_GRAD) and self.node is not None

    @property
    def grad(self):
        """The gradient that backward passes have added up, or None. Leaves get one, and what `retain_grad` was called on."""
        if self.grad_ is None and self.node is not None and not self.flags & FLAG_RETAINS_GRAD and needs_grad(self):
            import warnings
            warnings.warn("The .grad attribute of a Tensor that is not a leaf Tensor is being accessed, and backward() does not "
                          f"fill it: this one was computed by {self.node.name()}. Call .retain_grad() on it before backward(), "
                          "or ask the leaf that it was computed from", UserWarning, stacklevel=1)
        return self.grad_

    @grad.setter
    def grad(self, value):
        if value is None:
            self.grad_ = None
            return
        if not isinstance(value, Tensor):
            raise TypeError(f"assigned grad expected to be a Tensor or None but got grad of type {type(value).__name__}")
        if value is self:
            raise RuntimeError("can't assign Variable as its own grad")
        if not same_shape(self, value):
            raise RuntimeError(f"assigned grad has data of a different size: {list(value.shape)}, wanted {list(self.shape)}")
        if (<Tensor>value).code != self.code:
            raise RuntimeError(f"assigned grad has data of a different type: {value.dtype}, wanted {self.dtype}")
        self.grad_ = value

    @grad.deleter
    def grad(self):
        self.grad_ = None

    @property
    def data(self):
        """A tensor on the same memory that is not recorded; assigning replaces the memory.

        It has a version counter of its own, so the tape does not notice what is written through it: a gradient that needs the old
        values is computed with the new ones. ``detach()`` shares the counter, and such a write is an error.

        >>> x = tg.ones(2, requires_grad=True); y = x * x
        >>> x.data.mul_(3); y.sum().backward(); x.grad
        tensor([3., 3.])
        tensor([6., 6.])
        """
        return counted_apart(self)

    @data.setter
    def data(self, value):
        if not isinstance(value, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(value).__name__}")
        if self.flags & FLAG_BLANK:
            share_memory(self, <Tensor>value)
            return
        if not same_shape(self, <Tensor>value) or self.code != (<Tensor>value).code:
            self.moved += 1             # a node that kept it trusts its shape
        if value is not self:
            share_memory(self, counted_apart(<Tensor>value))

    @property
    def _version(self):
        """How often its memory was written in place."""
        return version_of(self)

    @property
    def _base(self):
        """Of a view: the tensor whose memory it shows."""
        return self.base

    def _is_view(self):
        """Whether it shows another tensor's memory."""
        return self.base is not None

    def is_inference(self):
        """Whether it was made in inference mode."""
        return bool(self.flags & FLAG_INFERENCE)

    def dim(self):
        """The number of dimensions."""
        return self.nd

    ndimension = dim

    def size(self, dim=None):
        """The shape, or the size of one dimension.

        >>> tg.ones(2, 3).size(-1)
        3
        """
        if dim is None:
            return size_object(self)
        return shape_of(self)[wrap_dim(dim, self.nd)]

    def numel(self):
        """How many elements it has."""
        return self.count

    nelement = numel

    def element_size(self):
        """Bytes of one element."""
        return ITEMSIZE[self.code]

    def stride(self, dim=None):
        """Elements from one index to the next, of every dimension or of one."""
        cdef Py_ssize_t *strides = strides_of(self)
        cdef int itemsize = ITEMSIZE[self.code]
        if dim is None:
            return tuple([strides[i] // itemsize for i in range(self.nd)])
        return strides[wrap_dim(dim, self.nd)] // itemsize

    def storage_offset(self):
        """Elements from the start of the memory it shows to its first element."""
        return (self.at - block_start(self.block)) // ITEMSIZE[self.code]

    def data_ptr(self):
        """The address of its first element."""
        return <size_t>self.at

    def is_contiguous(self, memory_format=None):
        """Whether its elements lie in memory in the order of its indices."""
        return bool(self.contiguous)

    def is_floating_point(self):
        """Whether its elements are floats."""
        return bool(IS_FLOAT[self.code])

    def is_signed(self):
        """Whether its dtype has a sign."""
        return (<dtype>DTYPE_LIST[self.code]).is_signed

    def is_complex(self):
        """False: there are no complex dtypes."""
        return False

    def get_device(self):
        """-1, the number that stands for the CPU."""
        return -1

    is_cuda = False
    is_sparse = False
    is_quantized = False
    is_meta = False
    is_mps = False
    names = property(lambda self: (None,) * self.nd, doc="None for each dimension: dimensions have no names.")
    name = None

    # ---- values out

    def item(self):
        """Its one element as a Python number.

        Raises RuntimeError when it has several.

        >>> tg.tensor([2.5]).item()
        2.5
        """
        if self.count != 1:
            raise RuntimeError(f"a Tensor with {self.count} elements cannot be converted to Scalar: .tolist() gives all, "
                               ".mean() or .sum() one")
        return element(self.code, self.at)

    def tolist(self):
        """Its elements as a number or nested lists.

        >>> tg.tensor([[1, 2]]).tolist()
        [[1, 2]]
        """
        return values_of(self).tolist()

    def numpy(self, *, force=False):
        """An array that shares its memory.

        Raises RuntimeError for a tensor that needs a gradient, unless ``force``.

        >>> tg.ones(2).numpy()
        array([1., 1.], dtype=float32)
        """
        if needs_grad(self) and not force:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
        (<dtype>DTYPE_LIST[self.code]).numpy_dtype      # raises TypeError where there is none
        return array_over(self, holder_of(self.block))

    def __array__(self, dtype=None, copy=None):
        array = self.numpy()
        if dtype is not None and array.dtype != dtype:
            if copy is False:
                raise ValueError(f"Unable to avoid copy: {array.dtype} has to become {dtype}")
            return array.astype(dtype)
        return array.copy() if copy else array

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        """``memoryview(t)``: the memory itself, for any program that speaks Python's buffer protocol."""
        show_memory(self, buffer, flags)
        buffer.obj = self

    def __releasebuffer__(self, Py_buffer *buffer):
        hide_memory(buffer)

    def __dlpack__(self, **keywords):
        if needs_grad(self):
            raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
        return brain_capsule(self, keywords) if self.code == BF16 else self.numpy().__dlpack__(**keywords)

    def __dlpack_device__(self):
        return (1, 0)

    def __len__(self):
        if self.nd == 0:
            raise TypeError("len() of a 0-d tensor")
        return shape_of(self)[0]

    def __bool__(self):
        if self.count != 1:
            if self.count == 0:
                raise RuntimeError("Boolean value of Tensor with no values is ambiguous")
            raise RuntimeError("Boolean value of Tensor with more than one value is ambiguous: use .any() or .all()")
        return bool(element(self.code, self.at))

    def __int__(self):
        return int(only_element(self))

    def __float__(self):
        return float(only_element(self))

    def __complex__(self):
        return complex(only_element(self))

    def __index__(self):
        if IS_FLOAT[self.code] or self.count != 1:
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self.item())

    def __iter__(self):
        if self.nd == 0:
            raise TypeError("iteration over a 0-d tensor")
        if LISTENING[0]:
            return iter(CORE_OPS["unbind"](self))
        return iter(parts_of(<Op>CORE_OPS["unbind"], self, 0, None, [None, 0]))

    def __contains__(self, item):
        if not isinstance(item, Tensor) and not is_number(item):
            raise RuntimeError(f"Tensor.__contains__ only supports Tensor or scalar, but you passed in a {type(item)}.")
        return bool((self == item).any().item())

    def __hash__(self):
        return <Py_ssize_t>(<size_t><PyObject *>self >> 4)

    def __repr__(self):
        return _represent(self)

    def __format__(self, spec):
        rarely()
        if self.nd == 0:
            return format(self.item(), spec) if spec else format(self.item())
        return object.__format__(self, spec)

    def __dir__(self):
        return sorted(set(object.__dir__(self)))

    def __copy__(self):
        return copy_of(self)

    def __deepcopy__(self, memo):
        return deep_copy_of(self, memo)

    def __reduce_ex__(self, protocol):
        return pickled(self)

    # ---- autograd

    def detach(self):
        """The same memory without the graph; later in-place writes show in both.

        >>> tg.ones(2, requires_grad=True).detach().requires_grad
        False
        """
        return alias_of(self)

    def detach_(self):
        """Takes it off its graph, in place: it becomes a leaf that needs no gradient."""
        if self.base is not None:
            raise RuntimeError("Can't detach views in-place. Use detach() instead.")
        self.node = None
        self.nr = 0
        self.requires = False
        return self

    def requires_grad_(self, requires_grad=True):
        """Sets ``requires_grad`` in place and returns the tensor.

        >>> tg.ones(2).requires_grad_().requires_grad
        True
        """
        set_requires_grad(self, requires_grad)
        return self

    def retain_grad(self):
        """Makes a non-leaf tensor keep its gradient in ``.grad``."""
        if not needs_grad(self):
            raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
        if self.node is not None and not self.flags & FLAG_RETAINS_GRAD:
            self.flags |= FLAG_RETAINS_GRAD
            extra_of(self).tensor = weakref.ref(self)
            hook_node(self)

    def register_hook(self, hook):
        """Calls ``hook(grad)`` whenever the gradient of this tensor is known; what it returns, if not None, replaces it.

        >>> x = tg.ones(2, requires_grad=True)
        >>> handle = x.register_hook(lambda g: g * 2)
        >>> x.sum().backward(); x.grad
        tensor([2., 2.])
        """
        if not needs_grad(self):
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        extra = extra_of(self)
        if self.node is not None:
            hook_node(self)
        return RemovableHandle((<TensorExtra>extra).hooks, hook)

    def register_post_accumulate_grad_hook(self, hook):
        """Calls ``hook(tensor)`` after ``.grad`` of this leaf was updated."""
        if not needs_grad(self):
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        if self.node is not None:
            raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
        return RemovableHandle(extra_of(self).accumulated, hook)

    def backward(self, gradient=None, retain_graph=None, create_graph=False, inputs=None):
        """Adds the gradient of this tensor with respect to the graph's leaves to their ``.grad``.

        ``gradient`` is the gradient with respect to this tensor; it may be left out for one element.

        >>> x = tg.tensor([3.0], requires_grad=True)
        >>> (x * x).backward(); x.grad
        tensor([6.])
        """
        run_backward((self,), (gradient,), retain_graph, create_graph, inputs, False, False)

    # ---- operators

    def __add__(self, other):
        return binary_operator(OP_ADD, self, other)

    def __radd__(self, other):
        return binary_operator(OP_ADD, self, other)

    def __sub__(self, other):
        return binary_operator(OP_SUB, self, other)

    def __rsub__(self, other):
        return binary_operator(OP_SUB, other, self)

    def __mul__(self, other):
        return binary_operator(OP_MUL, self, other)

    def __rmul__(self, other):
        return binary_operator(OP_MUL, self, other)

    def __truediv__(self, other):
        return binary_operator(OP_DIV, self, other)

    def __rtruediv__(self, other):
        return binary_operator(OP_DIV, other, self)

    def __pow__(self, other, modulus):
        return binary_operator(OP_POW, self, other)

    def __rpow__(self, other, modulus):
        return binary_operator(OP_POW, other, self)

    def __matmul__(self, other):
        if not isinstance(other, Tensor):
            return operator_taken_over(OP_MATMUL, self, other)
        return OP_MATMUL(self, other) if LISTENING[0] else matmul(OP_MATMUL, self, <Tensor>other)

    def __rmatmul__(self, other):
        if not isinstance(other, Tensor):
            return operator_taken_over(OP_MATMUL, other, self)
        return OP_MATMUL(other, self) if LISTENING[0] else matmul(OP_MATMUL, <Tensor>other, self)

    def __floordiv__(self, other):
        return named_operator("floor_divide", self, other)

    def __rfloordiv__(self, other):
        return named_operator("floor_divide", other, self)

    def __mod__(self, other):
        return named_operator("remainder", self, other)

    def __rmod__(self, other):
        return named_operator("remainder", other, self)

    def __and__(self, other):
        return named_operator("bitwise_and", self, other)

    def __rand__(self, other):
        return named_operator("bitwise_and", other, self)

    def __or__(self, other):
        return named_operator("bitwise_or", self, other)

    def __ror__(self, other):
        return named_operator("bitwise_or", other, self)

    def __xor__(self, other):
        return named_operator("bitwise_xor", self, other)

    def __rxor__(self, other):
        return named_operator("bitwise_xor", other, self)

    def __lshift__(self, other):
        return named_operator("bitwise_left_shift", self, other)

    def __rlshift__(self, other):
        return named_operator("bitwise_left_shift", other, self)

    def __rshift__(self, other):
        return named_operator("bitwise_right_shift", self, other)

    def __rrshift__(self, other):
        return named_operator("bitwise_right_shift", other, self)

    def __iadd__(self, other):
        return inplace_operator(OP_ADD, self, other)

    def __isub__(self, other):
        return inplace_operator(OP_SUB, self, other)

    def __imul__(self, other):
        return inplace_operator(OP_MUL, self, other)

    def __itruediv__(self, other):
        return inplace_operator(OP_DIV, self, other)

    def __ifloordiv__(self, other):
        return inplace_operator(CORE_OPS["floor_divide"], self, other)

    def __imod__(self, other):
        return inplace_operator(CORE_OPS["remainder"], self, other)

    def __ipow__(self, other, modulus):
        return inplace_operator(OP_POW, self, other)

    def __iand__(self, other):
        return inplace_operator(CORE_OPS["bitwise_and"], self, other)

    def __ior__(self, other):
        return inplace_operator(CORE_OPS["bitwise_or"], self, other)

    def __ixor__(self, other):
        return inplace_operator(CORE_OPS["bitwise_xor"], self, other)

    def __ilshift__(self, other):
        return inplace_operator(CORE_OPS["bitwise_left_shift"], self, other)

    def __irshift__(self, other):
        return inplace_operator(CORE_OPS["bitwise_right_shift"], self, other)

    def __neg__(self):
        return OP_NEG(self) if LISTENING[0] else unary(OP_NEG, self)

    def __pos__(self):
        return CORE_OPS["positive"](self)

    def __abs__(self):
        return CORE_OPS["abs"](self)

    def __invert__(self):
        return CORE_OPS["bitwise_not"](self)

    def __richcmp__(self, other, int op):
        return compare(self, other, op)

    def __getitem__(self, index):
        return heard_item(self, index) if LISTENING[0] else get_item(self, index)

    def __setitem__(self, index, value):
        heard_item(self, index, value) if LISTENING[0] else set_item(self, index, value)

    def __delitem__(self, index):
        raise TypeError("Tensor does not support deleting items")
