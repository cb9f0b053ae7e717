# Gradients on their way: where each one goes, what is added up, whose hooks see it.

cdef uint32_t EPOCH = 0
cdef int WALKS = 0                      # walks that have begun and not ended; their epochs are
cdef uint32_t ALONE = 0                 # that of the one that began when there was no other,
cdef set OTHERS = set()                 # and these


cdef int begin_walk(Walk walk) except -1:
    global EPOCH, WALKS, ALONE
    EPOCH += 1
    if EPOCH == 0:
        EPOCH = 1
    walk.epoch = EPOCH
    if ALONE:
        OTHERS.add(walk.epoch)
    else:
        ALONE = walk.epoch
    WALKS += 1
    return 0


cdef int end_walk(Walk walk) except -1:
    global WALKS, ALONE
    WALKS -= 1
    if ALONE == walk.epoch:
        ALONE = 0
    else:
        OTHERS.discard(walk.epoch)
    return 0


@cython.freelist(8)
cdef class Walk:
    """One backward: what it waits for, what it catches, what it has to clean up."""
    cdef uint32_t epoch
    cdef bint create_graph
    cdef bint retain
    cdef void **stack
    cdef void *first[64]        # the stack until it has to grow
    cdef Py_ssize_t held
    cdef Py_ssize_t room
    cdef list ready
    cdef dict leaf_waiting      # leaves with hooks: id -> [leaf, gradients still to come, their sum]; None without any
    cdef dict caught            # for autograd.grad and inputs=: (id, output number) -> gradient
    cdef dict wanted
    cdef list visited
    cdef bint bounded           # the wanted nodes are where the walk ends

    def __cinit__(self):
        self.stack = self.first
        self.room = 64

    def __dealloc__(self):
        if self.stack is not self.first:
            free(self.stack)


cdef inline int push(Walk walk, object node) except -1:
    cdef Py_ssize_t room
    cdef void **stack
    if walk.held == walk.room:
        room = walk.room * 2
        stack = <void **>realloc(NULL if walk.stack is walk.first else walk.stack, room * sizeof(void *))
        if stack is NULL:
            raise MemoryError()
        if walk.stack is walk.first:
            memcpy(stack, walk.first, walk.held * sizeof(void *))
        walk.stack = stack
        walk.room = room
    walk.stack[walk.held] = <void *><PyObject *>node
    walk.held += 1
    return 0


cdef inline int meet(Walk walk, object edge) except -1:
    """Counts one gradient that a node will wait for; the first time, looks at the node too."""
    cdef Node node
    cdef Tensor leaf
    if is_node(edge):
        node = <Node>edge
        if node.epoch == walk.epoch:
            node.waiting += 1
            return 0
        if WALKS > 1 and node.epoch and (node.epoch == ALONE or node.epoch in OTHERS):
            raise RuntimeError("backward is already running through this part of the graph, in another thread or around this "
                               "hook; one graph takes one backward at a time")
        node.epoch = walk.epoch
        node.waiting = 1
        node.needed = 0
        push(walk, node)
        return 0
    leaf = <Tensor>edge
    if leaf.extra is not None:
        key = id(leaf)
        if walk.leaf_waiting is None:
            walk.leaf_waiting = {}
        if key in walk.leaf_waiting:
            walk.leaf_waiting[key][1] += 1
        else:
            walk.leaf_waiting[key] = [leaf, 1, None]
    return 0


cdef int accumulate(Node node, Py_ssize_t i, Tensor g) except -1:
    """Hands the gradient of input ``i`` of ``node`` on to where that input came from."""
    cdef object edge = edge_at(node, i)
    cdef int code
    if edge is None:
        return 0
    code = node.codes[i] if i < 3 else (<NodeExtra>node.more).codes[i - 3]
    if g.code != code:
        g = OP_CAST(g, DTYPE_LIST[code])
    if tg_traps and tg_stepping == <void *>node:
        look_at_gradient(node, i, g)
    return deliver(edge, edge_number(node, i), g)


cdef inline int accumulate_new(Node node, Py_ssize_t i, Tensor g) except -1:
    """The same for a gradient that was made for this, and that nobody else has."""
    g.flags |= FLAG_OWN
    return accumulate(node, i, g)


cdef inline void share(Tensor g) noexcept:
    """From now on a gradient may be held by others, so that nobody takes over its memory."""
    g.flags &= ~FLAG_OWN


cdef inline bint is_own(Tensor g) noexcept:
    """Whether the memory of a gradient can be taken over: nobody else has the tensor, nor another one on that memory."""
    return g.flags & FLAG_OWN and g.block.refs == 1 and g.block.bin >= 0 and (g.contiguous or is_dense(g)) and (
        g.node is None and g.base is None and g.extra is None)


cdef inline Tensor added(Tensor sum, Tensor g):
    """The sum of two gradients, in the memory of the first where nobody else sees it."""
    cdef KernelArgs a
    cdef bint finite = tg_traps and is_finite(sum) and is_finite(g)
    if (not tg_grad and tg_kernels and is_own(sum) and sum.code == g.code and lies_with(g, sum)
            and OP_ADD.kernels[sum.code] is not NULL):
        begin(&a, 1)
        flat_args2(&a, sum, g, sum)
        launch(OP_ADD.kernels[sum.code], &a)
    else:
        sum = <Tensor>binary(OP_ADD, sum, g)
        sum.flags |= FLAG_OWN
    if finite:
        look_at_sum(sum)
    return sum


cdef bint is_wanted(object edge):
    """Whether the running walk goes on along an edge: one that was asked for some gradients leaves the others alone."""
    cdef Walk walk = <Walk>tg_walk if tg_walk != NULL else None
    if walk is None or walk.wanted is None:
        return True
    return (<Node>edge).needed != 0 if is_node(edge) else (id(edge), 0) in walk.wanted


cdef int deliver(object edge, int number, Tensor g) except -1:
    cdef Node node
    cdef Tensor sum
    cdef list buffers
    if is_node(edge):
        node = <Node>edge
        if node.outputs == 1:
            if node.buffer is None:
                node.buffer = g
            else:
                sum = <Tensor>node.buffer
                node.buffer = None
                node.buffer = added(sum, g)
        else:
            if node.buffer is None:
                node.buffer = [None] * node.outputs
            buffers = <list>node.buffer
            buffers[number] = g if buffers[number] is None else <Tensor>binary(OP_ADD, buffers[number], g)
        return 0
    return leaf_gradient(<Tensor>edge, g)


cdef int leaf_gradient(Tensor leaf, Tensor g) except -1:
    cdef Walk walk = <Walk><PyObject *>tg_walk
    cdef list entry
    if leaf.extra is not None and walk.leaf_waiting is not None and id(leaf) in walk.leaf_waiting:
        entry = walk.leaf_waiting[id(leaf)]
        entry[2] = g if entry[2] is None else binary(OP_ADD, entry[2], g)
        entry[1] -= 1
        if entry[1] == 0:
            finish_leaf(walk, entry)
        return 0
    return store_leaf(walk, leaf, g)


cdef int finish_leaf(Walk walk, list entry) except -1:
    """Runs the hooks of a leaf, whose gradient is complete."""
    cdef Tensor leaf = <Tensor>entry[0], g = <Tensor>entry[2]
    entry[2] = None
    g = run_tensor_hooks(<TensorExtra>leaf.extra, g)
    store_leaf(walk, leaf, g)
    if walk.wanted is None or (walk.caught is None and (id(leaf), 0) in walk.wanted):
        for hook in list((<TensorExtra>leaf.extra).accumulated.values()):
            hook(leaf)
    return 0


cdef int store_leaf(Walk walk, Tensor leaf, Tensor g) except -1:
    """Adds to a leaf's ``.grad``, or catches the gradient for autograd.grad."""
    if walk.wanted is not None:
        key = (id(leaf), 0)
        if key not in walk.wanted:
            return 0
        if walk.caught is not None:
            share(g)
            had = walk.caught.get(key)
            walk.caught[key] = g if had is None else binary(OP_ADD, had, g)
            return 0
    if leaf.node is not None:
        raise RuntimeError("leaf variable has been moved into the graph interior: it was written in place after a graph used it "
                           "as a leaf, so nothing says which of the two its .grad would belong to; clone() it before writing")
    if not leaf.requires:
        return 0
    if not same_shape(leaf, g):
        raise RuntimeError(f"a gradient of shape {list(shape_tuple(g))} arrived at a leaf of shape {list(shape_tuple(leaf))}")
    if leaf.grad_ is None:
        if walk.create_graph or (is_own(g) and lies_for(g, leaf)):
            share(g)
            leaf.grad_ = g if lies_for(g, leaf) else recorded_copy(g, copy_for(g, leaf))
            return 0
        first = copy_for(g, leaf)
        if leaf.grad_ is None:              # another thread may have been quicker
            leaf.grad_ = first
            return 0
    if walk.create_graph:
        leaf.grad_ = <Tensor>binary(OP_ADD, leaf.grad_, g)
        return 0
    return add_to_leaf(leaf.grad_, g)


cdef inline bint lies_for(Tensor g, Tensor leaf) noexcept:
    """Whether a gradient lies as the leaf's ``.grad`` is to: as the leaf where that is dense, else contiguous."""
    return g.contiguous if leaf.contiguous or not is_dense(leaf) else lies_with(g, leaf)


cdef Tensor copy_for(Tensor g, Tensor leaf):
    """A copy that does."""
    return clone_raw(g) if leaf.contiguous or not is_dense(leaf) else copied_to(g, leaf)


cdef object LEAF_LOCK = threading.RLock()


def _without_other_threads():
    """In a forked child: forgets what threads held or ran that are not there.

    What a backward of theirs left half done stays marked as theirs: going on with it would give wrong gradients.
    """
    global LEAF_LOCK, KERNELS_RUNNING
    LEAF_LOCK = threading.RLock()
    KERNELS_RUNNING = 0
    RETIRED.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_without_other_threads)


cdef int add_to_leaf(Tensor total, Tensor g) except -1:
    """Adds to a leaf's gradient in place; of two threads that do so at once, one waits. What runs
    inside, a listener or a finalizer, may add to the same leaf.
    """
    cdef bint finite
    enter_inplace(total)
    LEAF_LOCK.acquire()
    try:
        finite = tg_traps and is_finite(total) and is_finite(g)
        inplace_binary(OP_ADD, total, g)
    finally:
        LEAF_LOCK.release()
    if finite:
        look_at_sum(total)
    return 0


cdef Tensor run_tensor_hooks(TensorExtra extra, Tensor g):
    share(g)                            # a hook may keep it
    for hook in list(extra.hooks.values()):
        changed = hook(g)
        if changed is not None:
            check_changed(hook, changed, g)
            g = <Tensor>changed
    return g


cdef int check_changed(object hook, object changed, Tensor g) except -1:
    """What a hook gives in the place of a gradient must be like it: kernels rely on that."""
    name = getattr(hook, "__name__", hook)
    if not isinstance(changed, Tensor):
        raise TypeError(f"hook '{name}' must return None or a Tensor, not {type(changed).__name__}")
    if not same_shape(<Tensor>changed, g):
        raise RuntimeError(f"hook '{name}' has changed the size of value: {list(g.shape)} became {list(changed.shape)}")
    if (<Tensor>changed).code != g.code:
        raise RuntimeError(f"hook '{name}' has changed the type of value (was {g.dtype} got {changed.dtype})")
    return 0


cdef list changed_grads(object hook, object changed, list grads):
    """What a node's hook gives in the place of all its gradients."""
    cdef list after = list(changed) if isinstance(changed, (tuple, list)) else [changed]
    cdef Py_ssize_t i
    while len(after) < len(grads) and grads[len(after)] is None:
        after.append(None)
    if len(after) != len(grads):
        raise RuntimeError(f"hook '{getattr(hook, '__name__', hook)}' has returned an incorrect number of values (got "
                           f"{len(after)}, but expected {len(grads)})")
    for i in range(len(grads)):
        if after[i] is None:
            continue
        if grads[i] is None:
            raise RuntimeError("can't replace a None gradient with a non-None value")
        check_changed(hook, after[i], <Tensor>grads[i])
    return after


cdef int node_hooks(Walk walk, Node node) except -1:
    """Hooks of the tensors that the node made, retained gradients and the node's own hooks, before it runs.
    """
    cdef NodeExtra extra = <NodeExtra>node.more
    cdef TensorExtra tensor_extra
    cdef Tensor t
    cdef list grads
    if extra.tensor_hooks is not None:
        for number, each in list(extra.tensor_hooks.items()):
            tensor_extra = <TensorExtra>each
            g = node.buffer if node.outputs == 1 else node.buffer[number]
            if g is None:
                continue
            g = run_tensor_hooks(tensor_extra, <Tensor>g)
            if node.outputs == 1:
                node.buffer = g
            else:
                node.buffer[number] = g
            if tensor_extra.tensor is not None and walk.wanted is None:
                t = tensor_extra.tensor()
                if t is not None:
                    if t.grad_ is None:
                        t.grad_ = g if walk.create_graph else clone_as(<Tensor>g)
                    else:
                        t.grad_ = binary(OP_ADD, t.grad_, g)
    if extra.pre_hooks:
        grads = [node.buffer] if node.outputs == 1 else list(node.buffer)
        for each in grads:
            if each is not None:
                share(<Tensor>each)
        for hook in list(extra.pre_hooks.values()):
            changed = hook(tuple(grads))
            if changed is not None:
                grads = changed_grads(hook, changed, grads)
        node.buffer = grads[0] if node.outputs == 1 else grads
    return 0


def _gradients_of(parameters):
    """The gradients that some tensors have, or one tensor has."""
    cdef list found = []
    for each in (parameters,) if isinstance(parameters, Tensor) else parameters:
        grad = each.grad
        if grad is not None:
            found.append(grad)
    return found


def _shorten_gradients(list gradients not None, double most, Tensor total not None):
    """Scales gradients in place, off the tape, by ``most / total`` if that is below 1."""
    cdef bint grad = tg_grad
    global tg_grad
    tg_grad = False
    try:
        factor = binary(OP_DIV, most, binary(OP_ADD, total, 1e-6))
        factor = binary(OP_MINIMUM, factor, 1.0)
        for each in gradients:
            inplace_binary(OP_MUL, <Tensor?>each, factor)
    finally:
        tg_grad = grad
