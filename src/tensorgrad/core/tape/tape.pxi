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
    cdef tuple place            # of the forward call: file, line, function; where an error will want it
    cdef object context         # of a user's Function
    cdef dict notes
    cdef list outputs_meta      # several outputs: (shape, code) of each, to make zeros of
    cdef list output_aliases    # of several outputs: (alias, version) of those that the formulas ask for, else None
    cdef list packed            # what hooks made of the saved tensors: see saving.pxi


cdef class TensorExtra:
    """What few tensors have: hooks."""
    cdef dict hooks             # on the gradient
    cdef dict accumulated       # after .grad was updated
    cdef object tensor          # weak, for retain_grad

    def __init__(self):
        self.hooks = {}
        self.accumulated = {}


@cython.freelist(512)
@cython.trashcan(True)
cdef class Node:
    """One recorded op on the tape: ``tensor.grad_fn``. Where Python sees one, its class has the name that ``name()`` gives."""

    def name(self):
        """The op's name, as ``MulBackward0``."""
        if type(self) is not Node:
            return type(self).__name__          # what it was called when Python first saw it
        if self.op is None:
            return node_extra(self).context.__class__.__name__
        return self.op.grad_name if self.op.naming is None else self.op.naming(self)

    def __repr__(self):
        return f"<{self.name()} object at {hex(<size_t><PyObject *>self)}>"

    @property
    def next_functions(self):
        """The nodes that the inputs came from, as ``(node, output number)`` pairs; leaves show as AccumulateGrad, inputs that
        need no gradient as None. Inputs that have none, such as indices, do not show.
        """
        cdef list edges = []
        cdef Py_ssize_t i
        for i in range(input_count(self)):
            edge = edge_at(self, i)
            if not has_gradient(self, i):
                continue
            if edge is None:
                edges.append((None, 0))
            elif is_node(edge):
                edges.append((shown(<Node>edge), edge_number(self, i)))
            else:
                edges.append((AccumulateGrad(edge), 0))
        return tuple(edges)

    @property
    def metadata(self):
        """A dictionary for the user's own notes; under "traceback_" the lines of the forward call, where anomaly detection saw
        it.
        """
        cdef NodeExtra extra = node_extra(self)
        if extra.notes is None:
            extra.notes = {}
            if extra.traceback:
                extra.notes["traceback_"] = extra.traceback
        return extra.notes

    @property
    def saved_tensors(self):
        """The tensors that the op, or a user's Function, kept for its gradient.

        Raises RuntimeError when one was changed since, or when a backward let them go.
        """
        if self.op is None:
            return node_extra(self).context.saved_tensors
        return tuple([each for each in saved_values(self).values() if isinstance(each, Tensor)])

    def __getattr__(self, name):
        """``_saved_self`` and such: what the op kept, by PyTorch's names. Of a Function, what its ``ctx`` holds."""
        if self.op is None and not name.startswith("__"):
            return getattr(node_extra(self).context, name)
        if self.op is not None and name.startswith("_saved_") and name in saved_names(self):
            return saved_values(self).get(name)
        raise AttributeError(f"'{self.name()}' object has no attribute '{name}'")

    def __dir__(self):
        return [*object.__dir__(self), *(() if self.op is None else saved_names(self))]

    @property
    def _op(self):
        """The declaration of the op that was recorded; None of a user's Function."""
        return self.op

    @property
    def _inputs(self):
        """How many inputs the tape knows: none behind the last that needs a gradient."""
        return input_count(self)

    @property
    def _place(self):
        """File, line and function of the forward call, where they were remembered; else None."""
        return (<NodeExtra>self.more).place if self.state & NODE_GENERAL else None

    @property
    def _input_shape(self):
        """The shape of the first input, where the op keeps it; else None."""
        cdef Py_ssize_t at = 0 if self.op is None else len(self.op.params)
        return self.settings[at] if self.settings is not None and len(self.settings) > at > 0 else None

    @property
    def _kept(self):
        """The tensors that the op kept, by parameter, and of its outputs as "output" or by number."""
        return {} if self.op is None else kept_tensors(self)

    @property
    def _settings(self):
        """The arguments that are no tensors, by parameter, and numbers in a tensor's place."""
        cdef list values
        if self.op is None:
            return {}
        values = list(self.op.defaults) if self.settings is None else self.settings
        found = {name: None if value is MISSING else value for name, value in zip(self.op.params, values)}
        for name, slot in zip(self.op.tensor_params, (self.s0, self.s1, self.s2)):
            if slot is not None and not isinstance(slot, Tensor):
                found[name] = slot
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


cdef extern from *:
    """
    static void tg_become(PyObject *object, PyObject *type)
    {
        Py_INCREF(type);
        Py_SET_TYPE(object, (PyTypeObject *)type);
    }
    """
    void tg_become(PyObject *object, PyObject *cls)


cdef dict NODE_CLASSES = {}         # by name; their instances are laid out as Node's


cdef object shown(Node node):
    """A node for Python to see: from now on of the class that has its name."""
    if type(node) is Node:
        name = node.name()
        cls = NODE_CLASSES.get(name)
        if cls is None:
            cls = NODE_CLASSES[name] = type(name, (Node,), {"__slots__": (), "__module__": Node.__module__})
        tg_become(<PyObject *>node, <PyObject *>cls)
    return node


cdef dict SAVED_NAMES = {}          # op and node's name -> what it keeps: PyTorch's name -> ours


# Where PyTorch's name of what is kept is none of the rule: its own parameter is called so. By node or op.
cdef dict SAVED_AS = {
    "_product.other": "mat2", "matmul.other": "mat2", "MmBackward0.input": "self", "linear.input": "mat1",
    "_dropout.kept": "other", "linear.weight": "mat2", "_inv.0": "inverse",
    "_cholesky.0": "L", "embedding.index": "indices", "_embedding.index": "indices",
    **{f"{name}.input": "input" for name in ("_convolution", "batch_norm", "layer_norm", "group_norm", "instance_norm")},
    **{f"_{name}.1": "indices" for name in ("max_along", "min_along", "sort", "topk", "cummax", "cummin")},
}


cdef dict saved_names(Node node):
    """What the formulas of an op ask for: the input is "self" to PyTorch, what came out "result"."""
    rarely()
    cdef Op op = node.op
    cdef str called = node.name()
    cdef dict found = SAVED_NAMES.get((op, called))
    if found is not None:
        return found
    found = {}
    asked = [code for row in op.formula_args for code in row]
    for i, name in enumerate(op.params):
        if i in asked or (op.kind == COMPOSITE and name in op.tensor_params):
            word = SAVED_AS.get(f"{called}.{name}") or SAVED_AS.get(f"{op.__name__}.{name}") or (
                "self" if name == "input" else name)
            found["_saved_" + word] = name
    if ARG_OUTPUT in asked:
        found["_saved_result"] = "output"
    for code in asked:
        if ARG_G_N < code <= ARG_OUTPUT_N:
            word = SAVED_AS.get(f"{op.__name__}.{ARG_OUTPUT_N - code}") or f"result{ARG_OUTPUT_N - code}"
            found["_saved_" + word] = ARG_OUTPUT_N - code
    SAVED_NAMES[op, called] = found
    return found


cdef dict kept_tensors(Node node):
    """The tensors that an op kept, by parameter; its outputs are "output", or their numbers where they are several."""
    cdef dict found = {}
    cdef NodeExtra extra = <NodeExtra>node.more if node.state & NODE_GENERAL else None
    cdef bint unpacked = node.state & NODE_UNPACKED
    check_saved(node)
    slots = [node.s0, node.s1, node.s2]
    if extra is not None and extra.saved is not None:
        if node.op.list_arg >= 0:
            found[node.op.params[node.op.list_arg]] = tuple(extra.saved)
        else:
            slots += extra.saved
    for name, slot in zip(node.op.tensor_params, slots):
        if isinstance(slot, Tensor):
            found[name] = slot
    if node.output is not None:
        found["output"] = alias_of(node.output)
    if extra is not None and extra.output_aliases is not None:
        for i, kept in enumerate(extra.output_aliases):
            if kept is not None:
                found[i] = alias_of(kept[0])
    if not unpacked:
        drop_unpacked(node)
    return found


cdef dict saved_values(Node node):
    """What a node kept, by PyTorch's names."""
    cdef dict own = {**node._settings, **kept_tensors(node)}
    for name in node.op.tensor_params:
        if type(own.get(name)) in (int, float) and node.op.__name__ != "pow":       # an operand that was a number
            own[name] = number_tensor(own[name], I64 if type(own[name]) is int else F64)
    if node.op.__name__ == "linear" and own.get("weight") is not None:
        own["weight"] = own["weight"].t()                   # the factor of the product
    return {word: own.get(name) for word, name in saved_names(node).items()}


cdef inline bint is_node(object edge) noexcept:
    """Whether an edge leads to a node and not to a leaf. One that Python has seen is of a class of its own."""
    return type(edge) is Node or isinstance(edge, Node)


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


cdef inline bint has_gradient(Node node, Py_ssize_t i) except -1:
    """Whether input ``i`` is one that a gradient could go to: what Python gets to see of a node has no others."""
    cdef Op op = node.op
    if op is OP_POW and is_number(node.s1 if i else node.s0):
        return False
    return op is None or op.kind == COMPOSITE or op.list_arg >= 0 or i >= len(op.formulas) or op.formulas[i] is not None


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
    if tg_anomaly or tg_lines:
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
    if tg_anomaly & THE_REGION:
        node.epoch = tg_region
    if tg_anomaly & THE_LINE or tg_lines:
        node_extra(node).place = user_place()
    if tg_anomaly & THE_LINE:
        import traceback
        node_extra(node).traceback = traceback.format_list(traceback.extract_stack())
    if tg_anomaly & TO_PACK:
        SAVING.waiting.append(node)
    return 0
