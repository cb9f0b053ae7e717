# What nodes keep: whether it is still what it was, how it is let go, and hooks that put something else in its place.

cdef enum:
    NODE_PACKED = 8             # hooks have what it saved: `NodeExtra.packed`
    NODE_UNPACKED = 16          # and it has what they gave back, for now
    PLACE_OUTPUT = 3            # places of saved tensors: from 0 operands, this, from 4 on further operands,
    PLACE_FURTHER = 4           # and below 0 one of several outputs

cdef object SAVING = threading.local()      # .hooks: those of this thread; .waiting: nodes that they have not seen;
#                                             .refused: why there may be none


cdef int changed(Node node, Tensor t, uint32_t had) except -1:
    shape = ", ".join(map(str, shape_tuple(t)))
    text = (f"one of the variables needed for gradient computation has been modified by an inplace operation: "
            f"[tensorgrad.{title(t.code)}Tensor [{shape}]], saved by {node.name()} of {op_title(node)}, is at version "
            f"{version_of(t)}; expected version {had} instead.")
    if node.state & NODE_GENERAL and (<NodeExtra>node.more).traceback:
        text += " The forward call that saved it:\n" + "".join((<NodeExtra>node.more).traceback)
    else:
        text += (" Hint: enable anomaly detection to find the forward line that saved it: "
                 "tensorgrad.autograd.set_detect_anomaly(True).")
    raise RuntimeError(text)


cdef str op_title(Node node):
    return f"{node.op.__name__}()" if node.op is not None else "a Function"


cdef int check_saved(Node node) except -1:
    """Raises when the node's tensors were let go or changed since they were saved."""
    cdef NodeExtra extra
    cdef Tensor t
    if not node.state & NODE_SAVED:
        return 0
    if node.state & NODE_FREED:
        raise RuntimeError(
            f"Trying to backward through the graph a second time (or directly access saved tensors after they have already "
            f"been freed), at {node.name()}. Saved intermediate values of the graph are freed when you call .backward() or "
            f"autograd.grad(). Specify retain_graph=True if you need to backward through the graph a second time or if you "
            f"need to access saved tensors after calling backward.")
    if node.state & NODE_PACKED:
        return 0 if node.state & NODE_UNPACKED else unpack(node)        # what was written since is the hooks' affair
    if isinstance(node.s0, Tensor) and version_of(<Tensor>node.s0) != node.v0:
        changed(node, <Tensor>node.s0, node.v0)
    if isinstance(node.s1, Tensor) and version_of(<Tensor>node.s1) != node.v1:
        changed(node, <Tensor>node.s1, node.v1)
    if isinstance(node.s2, Tensor) and version_of(<Tensor>node.s2) != node.v2:
        changed(node, <Tensor>node.s2, node.v2)
    if node.output is not None and version_of(node.output) != node.v_output:
        changed(node, node.output, node.v_output)
    if node.state & NODE_GENERAL:
        extra = <NodeExtra>node.more
        if extra.saved is not None:
            for saved, version in zip(extra.saved, extra.versions):
                if isinstance(saved, Tensor):
                    t = <Tensor>saved
                    if version_of(t) != <uint32_t>version:
                        changed(node, t, version)
        if extra.output_aliases is not None:
            for kept in extra.output_aliases:
                if kept is not None:
                    t = <Tensor>kept[0]
                    if version_of(t) != <uint32_t>kept[1]:
                        changed(node, t, kept[1])
    return 0


cdef void release_saved(Node node) noexcept:
    cdef NodeExtra extra
    if node.state & NODE_SAVED:
        node.state |= NODE_FREED
        node.s0 = None
        node.s1 = None
        node.s2 = None
        node.output = None
        if node.state & NODE_GENERAL:
            extra = <NodeExtra>node.more
            extra.saved = None
            extra.output_aliases = None
            extra.packed = None


# ---- hooks

def _set_hooks(hooks):
    """From now on the saved tensors of this thread's new nodes are what the first of two hooks makes of them, until the second
    gives them back; with None they stay. Gives the hooks as they were.
    """
    global tg_anomaly
    before = getattr(SAVING, "hooks", None)
    refused = getattr(SAVING, "refused", None)
    if hooks is not None and refused is not None:
        raise RuntimeError(refused)
    set_aside((hooks is not None) - (before is not None))
    SAVING.hooks, SAVING.waiting = hooks, []
    tg_anomaly = tg_anomaly & ~TO_PACK | (0 if hooks is None else TO_PACK)
    return before


def _refuse_hooks(reason):
    """Says why hooks are refused in this thread, or with None that they are not; gives what was said before."""
    if reason is not None and getattr(SAVING, "hooks", None) is not None:
        raise RuntimeError(reason)
    before = getattr(SAVING, "refused", None)
    SAVING.refused = reason
    return before


def _saved_hooks():
    """What `_set_hooks` was given last in this thread, or None."""
    return SAVING.hooks if tg_anomaly & TO_PACK else None


cdef Py_ssize_t count_waiting() except -1:
    """How many nodes there are that the hooks have not seen."""
    return len(SAVING.waiting) if tg_anomaly & TO_PACK else 0


cdef int pack_since(Py_ssize_t first) except -1:
    """Shows the hooks the nodes that were made since there were so many waiting: those before are not finished."""
    global tg_grad
    cdef int grad = tg_grad
    cdef list nodes
    if not tg_anomaly & TO_PACK:
        return 0
    nodes = SAVING.waiting[first:]
    pack_hook, unpack_hook = SAVING.hooks
    del SAVING.waiting[first:]
    tg_grad = 0
    try:
        for node in nodes:
            pack(<Node>node, pack_hook, unpack_hook)
    finally:
        tg_grad = grad
    return 0


cdef list saved_places(Node node):
    """Where a node has saved tensors, and which."""
    cdef NodeExtra extra
    cdef list found = [(i, each) for i, each in enumerate((node.s0, node.s1, node.s2)) if isinstance(each, Tensor)]
    if node.output is not None:
        found.append((PLACE_OUTPUT, node.output))
    if node.state & NODE_GENERAL:
        extra = <NodeExtra>node.more
        found += [(PLACE_FURTHER + i, each) for i, each in enumerate(extra.saved or ()) if isinstance(each, Tensor)]
        found += [(-1 - i, each[0]) for i, each in enumerate(extra.output_aliases or ()) if each is not None]
    return found


cdef int put_saved(Node node, int place, Tensor t) except -1:
    cdef uint32_t version = 0 if t is None else version_of(t)
    cdef NodeExtra extra
    if place == 0:
        node.s0, node.v0 = t, version
    elif place == 1:
        node.s1, node.v1 = t, version
    elif place == 2:
        node.s2, node.v2 = t, version
    elif place == PLACE_OUTPUT:
        node.output, node.v_output = t, version
    else:
        extra = <NodeExtra>node.more
        if place < 0:
            extra.output_aliases[-1 - place] = None if t is None else (t, version)
        else:
            extra.saved[place - PLACE_FURTHER], extra.versions[place - PLACE_FURTHER] = t, version
    return 0


cdef int pack(Node node, pack_hook, unpack_hook) except -1:
    cdef list found = saved_places(node)
    cdef list packed = []
    cdef Tensor t
    if not found or node.state & NODE_FREED:
        return 0
    for place, t in found:
        packed.append((place, pack_hook(alias_of(t)), unpack_hook, shape_tuple(t), t.code, t.stride()))
    track(node)
    shown(node)                         # its name may depend on what it saved
    node_extra(node).packed = packed
    node.state |= NODE_PACKED
    return drop_unpacked(node)


cdef int drop_unpacked(Node node) except -1:
    """What hooks gave back is not kept."""
    node.state &= ~NODE_UNPACKED
    if node.state & NODE_PACKED and not node.state & NODE_FREED:
        for place, *_ in (<NodeExtra>node.more).packed:
            put_saved(node, place, None)
    return 0


def _unpacked(hook, packed):
    """What a hook gives back."""
    found = hook(packed)
    if not isinstance(found, Tensor):
        raise TypeError(f"Output of saved tensor unpack_hook expected to be a Tensor but got result of type {type(found)}")
    return found


cdef int unpack(Node node) except -1:
    """Puts what the hooks give back where it was: kernels trust its shape, its dtype and the order of its elements in memory."""
    cdef Tensor t
    for place, packed, hook, shape, code, strides in (<NodeExtra>node.more).packed:
        t = alias_of(_unpacked(hook, packed))
        if shape_tuple(t) != shape or t.code != <int>code:
            raise RuntimeError(f"saved_tensors_hooks: unpack_hook gave {title(t.code)}Tensor {list(shape_tuple(t))} for what was "
                               f"{title(code)}Tensor {list(shape)}, saved by {node.name()} of {op_title(node)}")
        if t.stride() != strides:
            t = laid_out(t, strides)
        put_saved(node, place, of_operand(node, place, t))
    node.state |= NODE_UNPACKED
    return 0


cdef Tensor laid_out(Tensor t, tuple strides):
    """A copy whose dimensions lie in memory in the order of those strides."""
    cdef list order = sorted(range(t.nd), key=lambda i: -strides[i])
    back = [order.index(i) for i in range(t.nd)]
    return permute(OP_PERMUTE, clone_raw(permute(OP_PERMUTE, t, order)), back)


cdef Tensor of_operand(Node node, int place, Tensor t):
    """What stands for an operand has that one's history: formulas ask whether it needs a gradient."""
    cdef Py_ssize_t i = place
    cdef Py_ssize_t further = 0
    if node.state & NODE_GENERAL and (<NodeExtra>node.more).edges is not None:
        further = len((<NodeExtra>node.more).edges)
    if place >= PLACE_FURTHER and node.op.list_arg < 0:
        i = place - 1                   # the fourth and so on
    elif place >= PLACE_FURTHER:
        i = place - PLACE_FURTHER
    if place < 0 or place == PLACE_OUTPUT or i >= 3 + further:       # an output, or what a kernel left
        return t
    return attached(t, edge_at(node, i), edge_number(node, i))


cdef Tensor attached(Tensor t, object edge, int number):
    """A tensor that has nothing yet with the history of an output of a node, or of a leaf."""
    cdef Node same
    if edge is None:
        return t
    if is_node(edge):
        t.node, t.nr, t.requires = <Node>edge, number, True
    else:
        same = new_node(OP_ALIAS, t, formula_vjp)
        set_edge0(same, <Tensor>edge)
    return t


def _attach(Tensor saved not None, edge, int number):
    """What a Function kept: a tensor on the same memory that belongs to a node, or to a leaf, again."""
    return attached(alias_of(saved), edge, number)
