# The tape: a Node per recorded op, pointing to the nodes (or leaf tensors) that its inputs came from.

cdef enum:
    NODE_FREED = 1              # its saved tensors were let go by a backward
    NODE_SAVED = 2              # it had saved tensors
    NODE_GENERAL = 4            # it has a NodeExtra

cdef enum:
    FLAG_INFERENCE = 1
    FLAG_RETAINS_GRAD = 2
    FLAG_NO_GRAD_VIEW = 4       # a view made while nothing was recorded
    FLAG_BLANK = 8              # made by __new__ alone: nothing was put in yet
    FLAG_FUNCTION_VIEW = 16     # a view that a user's Function returned, or a view of such
    FLAG_UNFOLLOWED_VIEW = 20   # either: writing it, or its base, gives no gradient that it could follow
    FLAG_OWN = 32               # a gradient on its way that only the running backward has


cdef class NodeExtra:
    """What few nodes have: inputs past the third, shapes that were broadcast, hooks, the forward line."""
    cdef list edges             # (node or leaf, output number) of inputs 3, 4, ...
    cdef list saved             # their saved tensors, or None
    cdef list versions
    cdef list codes
    cdef list shapes            # the shape of every input whose gradient may need summing, else None
    cdef dict tensor_hooks      # output number -> TensorExtra of the tensor that had hooks
    cdef dict pre_hooks
    cdef dict post_hooks
    cdef list traceback
    cdef object context         # of a user's Function
    cdef dict notes
    cdef list outputs_meta      # several outputs: (shape, code) of each, to make zeros of
    cdef list output_aliases    # of several outputs: (alias, version) of those that the formulas ask for, else None


cdef class TensorExtra:
    """What few tensors have: hooks."""
    cdef dict hooks             # on the gradient
    cdef dict accumulated       # after .grad was updated
    cdef object tensor          # weak, for retain_grad

    def __init__(self):
        self.hooks = {}
        self.accumulated = {}


@cython.final
@cython.freelist(512)
@cython.trashcan(True)
cdef class Node:
    """One recorded op on the tape: ``tensor.grad_fn``."""

    def name(self):
        """The op's name, as ``MulBackward0``."""
        return self.op.grad_name if self.op is not None else node_extra(self).context.__class__.__name__

    def __repr__(self):
        return f"<{self.name()} object at {hex(<size_t><PyObject *>self)}>"

    @property
    def next_functions(self):
        """The nodes that the inputs came from, as ``(node, output number)`` pairs; leaves show as
        AccumulateGrad.
        """
        cdef list edges = []
        cdef Py_ssize_t i
        for i in range(input_count(self)):
            edge = edge_at(self, i)
            if edge is None:
                edges.append((None, 0))
            elif type(edge) is Node:
                edges.append((edge, edge_number(self, i)))
            else:
                edges.append((AccumulateGrad(edge), 0))
        return tuple(edges)

    @property
    def metadata(self):
        """A dictionary for the user's own notes."""
        cdef NodeExtra extra = node_extra(self)
        if extra.notes is None:
            extra.notes = {}
        return extra.notes

    @property
    def saved_tensors(self):
        """What the op kept for its gradient: of its first three tensors those that it needs, by the names of its arguments,
        and as ``output`` its result, or what its kernel left for the way back.

        Raises RuntimeError when one was changed since, or when a backward let them go.
        """
        cdef dict found = {}
        check_saved(self)
        if self.op is None:
            return found
        for name, slot in zip(self.op.tensor_params, (self.s0, self.s1, self.s2)):
            if isinstance(slot, Tensor):
                found[name] = slot
        if self.output is not None:
            found["output"] = alias_of(self.output)
        return found

    def register_hook(self, hook):
        """Calls ``hook(grad_inputs, grad_outputs)`` after the node has run; it may return other grad_inputs.
        """
        cdef NodeExtra extra = node_extra(self)
        track(self)
        if extra.post_hooks is None:
            extra.post_hooks = {}
        return RemovableHandle(extra.post_hooks, hook)

    def register_prehook(self, hook):
        """Calls ``hook(grad_outputs)`` before the node runs; it may return other grad_outputs."""
        cdef NodeExtra extra = node_extra(self)
        track(self)
        if extra.pre_hooks is None:
            extra.pre_hooks = {}
        return RemovableHandle(extra.pre_hooks, hook)


cdef NodeExtra node_extra(Node node):
    """The node's NodeExtra, made when it is first asked for."""
    if node.more is None:
        node.more = NodeExtra.__new__(NodeExtra)
        node.state |= NODE_GENERAL
    return <NodeExtra>node.more


class AccumulateGrad:
    """The end of the tape at a leaf: where a gradient is added to ``variable.grad``."""

    def __init__(self, variable):
        self.variable = variable
        self.next_functions = ()

    def name(self):
        return "AccumulateGrad"

    def __eq__(self, other):
        return isinstance(other, AccumulateGrad) and other.variable is self.variable

    def __hash__(self):
        return hash(("AccumulateGrad", id(self.variable)))

    def __repr__(self):
        return f"<AccumulateGrad object at {hex(id(self.variable))}>"


class RemovableHandle:
    """What registering a hook returns; ``remove()`` takes the hook away again, and so does leaving a
    ``with``.
    """

    next_id = 0

    def __init__(self, hooks, hook, *, first=False):
        self.hooks = hooks
        self.id = RemovableHandle.next_id
        RemovableHandle.next_id += 1
        if first:
            rest = dict(hooks)
            hooks.clear()
            hooks[self.id] = hook
            hooks.update(rest)
        else:
            hooks[self.id] = hook

    def remove(self):
        """Takes the hook away; a second call does nothing."""
        self.hooks.pop(self.id, None)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.remove()


cdef bint needs_grad(Tensor t) except -1:
    """Whether a gradient may flow into ``t``."""
    return t.requires if t.base is None else view_needs_grad(t)


cdef bint view_needs_grad(Tensor t) except -1:
    """The same of a view; looks at its base first, which may have a new history."""
    if t.seen != t.base.history or t.flags & FLAG_UNFOLLOWED_VIEW:
        refresh_view(t)
    return t.requires


cdef TensorExtra extra_of(Tensor t):
    if t.extra is None:
        track(t)
        t.extra = TensorExtra()
    return <TensorExtra>t.extra


cdef inline object edge_of(Tensor t):
    """Where the gradient of ``t`` goes: its node, itself if it is a leaf, or None."""
    if not needs_grad(t):
        return None
    if t.node is not None:
        return t.node
    return t


cdef inline object edge_at(Node node, Py_ssize_t i):
    if i == 0:
        return node.e0
    if i == 1:
        return node.e1
    if i == 2:
        return node.e2
    edges = (<NodeExtra>node.more).edges
    return None if edges is None else edges[i - 3][0]


cdef inline int edge_number(Node node, Py_ssize_t i) except -1:
    if i == 0:
        return node.nr0
    if i == 1:
        return node.nr1
    if i == 2:
        return node.nr2
    return (<NodeExtra>node.more).edges[i - 3][1]


cdef Py_ssize_t input_count(Node node) except -1:
    cdef Py_ssize_t more = 0
    if node.state & NODE_GENERAL and (<NodeExtra>node.more).edges is not None:
        more = len((<NodeExtra>node.more).edges)
    if more:
        return 3 + more
    if node.e2 is not None:
        return 3
    if node.e1 is not None:
        return 2
    if node.op is not None and len(node.op.tensor_params) >= 2 and node.op.list_arg < 0:
        return min(len(node.op.tensor_params), 3)
    return 1


cdef inline uint32_t version_of(Tensor t) noexcept:
    """Grows whenever its memory is written, or replaced."""
    return t.block.version + t.moved


cdef inline int refuse_inference(Tensor t) except -1:
    """What every tensor that the tape keeps must pass."""
    if t.flags & FLAG_INFERENCE:
        raise RuntimeError(
            "Inference tensors cannot be saved for backward. Please do not use Tensors created in inference mode in "
            "computation tracked by autograd. To work around this, you can make a clone to get a normal tensor and use "
            "it in autograd, or use `no_grad()` instead of `inference_mode()`.")
    return 0


cdef Node new_node(Op op, Tensor out, vjp_fn vjp):
    cdef Node node = Node.__new__(Node)
    untrack(node)
    node.op = op
    node.vjp = vjp
    node.outputs = 1
    out.node = node
    out.requires = True
    out.nr = 0
    if tg_anomaly:
        remember(node)
    return node


cdef inline void set_edge0(Node node, Tensor t):
    node.e0 = edge_of(t)
    node.nr0 = t.nr
    node.codes[0] = t.code


cdef inline void set_edge1(Node node, Tensor t):
    node.e1 = edge_of(t)
    node.nr1 = t.nr
    node.codes[1] = t.code


cdef inline void set_edge2(Node node, Tensor t):
    node.e2 = edge_of(t)
    node.nr2 = t.nr
    node.codes[2] = t.code


cdef inline int keep0(Node node, Tensor t) except -1:
    refuse_inference(t)
    node.s0 = t
    node.v0 = version_of(t)
    node.state |= NODE_SAVED
    return 0


cdef inline int keep1(Node node, Tensor t) except -1:
    refuse_inference(t)
    node.s1 = t
    node.v1 = version_of(t)
    node.state |= NODE_SAVED
    return 0


cdef inline int keep2(Node node, Tensor t) except -1:
    refuse_inference(t)
    node.s2 = t
    node.v2 = version_of(t)
    node.state |= NODE_SAVED
    return 0


cdef inline int keep_output(Node node, Tensor out) except -1:
    node.output = alias_of(out)
    node.v_output = version_of(node.output)
    node.state |= NODE_SAVED
    return 0


cdef inline int keep_scratch(Node node, Tensor t) except -1:
    """What a kernel left for the way back, beside its output."""
    node.output = t
    node.v_output = version_of(t)
    node.state |= NODE_SAVED
    return 0


cdef int keep_fourth(Node node, Tensor t) except -1:
    """A fourth operand."""
    cdef NodeExtra extra = node_extra(node)
    refuse_inference(t)
    extra.edges, extra.saved, extra.versions, extra.codes = [(edge_of(t), t.nr)], [t], [version_of(t)], [t.code]
    node.state |= NODE_SAVED
    return 0


cdef inline object fourth_of(Node node):
    return (<NodeExtra>node.more).saved[0] if node.state & NODE_GENERAL and (<NodeExtra>node.more).saved else None


cdef inline Node record_one(Op op, Tensor out, Tensor x, int keep):
    """Puts a call that C answered on the tape, whose one operand needs a gradient. It keeps the operand where ``keep`` has bit 1,
    the output where it has bit 8."""
    cdef Node node = new_node(op, out, op.fast_vjp)
    set_edge0(node, x)
    if keep & 1:
        keep0(node, x)
    if keep & 8:
        keep_output(node, out)
    return node


cdef inline Node record_native(Op op, Tensor out, Tensor x, Tensor y, Tensor z, int keep):
    """The same with those of three operands that are not None, as bits 1, 2 and 4; None where none of them needs a gradient."""
    cdef bint first = needs_grad(x), second = y is not None and needs_grad(y), third = z is not None and needs_grad(z)
    cdef Node node
    if not (first or second or third):
        return None
    node = new_node(op, out, op.fast_vjp)
    if first:
        set_edge0(node, x)
    if second:
        set_edge1(node, y)
    if third:
        set_edge2(node, z)
    if keep & 1:
        keep0(node, x)
    if keep & 2 and y is not None:
        keep1(node, y)
    if keep & 4 and z is not None:
        keep2(node, z)
    return node


cdef int remember(Node node) except -1:
    """Notes what this thread wants to know of nodes later."""
    import traceback
    if tg_anomaly & THE_REGION:
        node.epoch = tg_region
    if tg_anomaly & THE_LINE:
        node_extra(node).traceback = traceback.format_list(traceback.extract_stack())
    return 0


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
