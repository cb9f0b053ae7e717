# The walk from outputs to leaves.

cdef int run_node(Walk walk, Node node) except -1:
    """Computes the gradients of a node's inputs from the gradient of its outputs."""
    if node.state & NODE_GENERAL and (<NodeExtra>node.more).place is not None:
        return run_blamed(walk, node)
    return run_plainly(walk, node)


cdef int run_plainly(Walk walk, Node node) except -1:
    cdef object g
    cdef NodeExtra extra = <NodeExtra>node.more if node.state & NODE_GENERAL else None
    if extra is not None and (extra.tensor_hooks is not None or extra.pre_hooks):
        node_hooks(walk, node)
    if walk.caught is not None:
        catch(walk, node)
        if not node.needed & 1:
            node.buffer = None
            return 0
    g = node.buffer
    node.buffer = None
    if g is None:
        return 0
    check_saved(node)
    if LISTENING[0]:
        heard_node(walk, node, extra, g)
    else:
        step_back(walk, node, extra, g)
    if tg_anomaly & (THE_LINE | ANY_NAN) == THE_LINE:
        look_for_nan(node)
    if walk.retain:
        drop_unpacked(node)
    else:
        release_saved(node)
        if node.op is None:
            (<NodeExtra>node.more).context._release()
    return 0


cdef int heard_node(Walk walk, Node node, NodeExtra extra, object g) except -1:
    global tg_watched, tg_stepping, tg_arrived
    cdef Event event = begin_heard("backward", node.name())
    cdef void *stepping = tg_stepping
    cdef void *arrived = tg_arrived
    cdef bint watching = begin_watch()
    if watching:
        tg_stepping = <void *>node
        tg_arrived = <void *><PyObject *>g
        tg_watched = node.op is not None        # a Function's backward is the user's own, whose ops are looked at
    try:
        step_back(walk, node, extra, g)
        if event is not None:
            describe(event, g if isinstance(g, list) else (g,), None)
    finally:
        if watching:
            tg_stepping = stepping
            tg_arrived = arrived
        end_watch(watching)
        end_write(event)
    return 0


cdef inline int step_back(Walk walk, Node node, NodeExtra extra, object g) except -1:
    """From the gradient of a node's outputs to those of its inputs."""
    if node.op is None or (extra is not None and (extra.post_hooks or node.outputs > 1)):
        run_general(node, extra, g)
    elif node.op.kind == COMPOSITE and (walk.create_graph or not tg_kernels):
        recompute_vjp(node, <Tensor>g)
    elif walk.create_graph or not tg_kernels:
        formulas_of(node, g)
    else:
        node.vjp(node, <Tensor>g)
    return 0


cdef Node new_catcher():
    """What stands where an edge leads while hooks look at the gradient that goes there."""
    cdef Node node = Node.__new__(Node)
    node.outputs = 1
    node.needed = 1
    return node


cdef int run_general(Node node, NodeExtra extra, object g) except -1:
    """A user's Function, a node with several outputs, or one whose hooks want to see its inputs' gradients.
    """
    global tg_watched, tg_stepping
    cdef Py_ssize_t i
    cdef list grads, held, places
    if extra is None or not extra.post_hooks:
        if node.op is None:
            return run_function(node, extra, g)
        if node.op.kind == COMPOSITE:
            return recompute_vjp(node, <Tensor>g)
        return formulas_of(node, g)
    if node.op is not None and node.op.keeps_third_shape and node.s2 is None and isinstance(node.e2, Tensor):
        node.s2 = shape_tuple(<Tensor>node.e2)      # which is seen in the edge else
    held = [edge_at(node, i) for i in range(input_count(node))]
    catchers = [None if edge is None else new_catcher() for edge in held]
    swap_edges(node, catchers)
    try:
        if node.op is None:
            run_function(node, extra, g)
        elif node.op.kind == COMPOSITE:
            recompute_vjp(node, <Tensor>g)
        else:
            formulas_of(node, g)
    finally:
        swap_edges(node, held)
    places = [i for i in range(len(held)) if has_gradient(node, i)]
    grads = [None if catchers[i] is None else (<Node>catchers[i]).buffer for i in places]
    for each in grads + (g if isinstance(g, list) else [g]):
        if each is not None:
            share(<Tensor>each)
    outer = tuple(g) if isinstance(g, list) else (g,)
    if tg_stepping == <void *>node:         # hooks are the user's own: their ops are looked at, what they give is not
        tg_watched, tg_stepping = 0, NULL
    for hook in list(extra.post_hooks.values()):
        changed = hook(tuple(grads), outer)
        if changed is not None:
            grads = changed_grads(hook, changed, grads)
    for i, each in zip(places, grads):
        if held[i] is not None and each is not None:
            accumulate(node, i, <Tensor>each)
    return 0


cdef int swap_edges(Node node, list edges) except -1:
    cdef Py_ssize_t i
    cdef NodeExtra extra
    for i in range(len(edges)):
        if i == 0:
            node.e0 = edges[0]
        elif i == 1:
            node.e1 = edges[1]
        elif i == 2:
            node.e2 = edges[2]
        else:
            extra = <NodeExtra>node.more
            extra.edges[i - 3] = (edges[i], extra.edges[i - 3][1])
    return 0


cdef int run_function(Node node, NodeExtra extra, object g) except -1:
    """A user's Function: its backward gets a gradient for every output."""
    cdef Py_ssize_t i
    cdef Tensor part
    grads = [output_gradient(node, g, i)
             if extra.context.materialize_grads or (g if node.outputs == 1 else g[i]) is not None else None
             for i in range(node.outputs)]
    for each in grads:
        if each is not None:
            share(<Tensor>each)
    found = extra.context._run_backward(node, grads)
    for i in range(len(found)):
        if found[i] is not None and edge_at(node, i) is not None:
            part = <Tensor>found[i]
            share(part)
            if shape_tuple(part) != extra.shapes[i]:
                part = reduced_to(node, i, part, extra.shapes[i])
            accumulate(node, i, part)
    return 0


cdef Tensor reduced_to(Node node, Py_ssize_t i, Tensor g, tuple shape):
    """A gradient that a Function gave in a shape that its input broadcasts to."""
    cdef Py_ssize_t lead = g.nd - len(shape), k
    if lead < 0 or any([shape[k] != 1 and shape[k] != shape_of(g)[lead + k] for k in range(len(shape))]):
        raise RuntimeError(f"Function {node.name()} returned an invalid gradient at index {i} - got {list(shape_tuple(g))} but "
                           f"expected shape compatible with {list(shape)}")
    return sum_to(g, shape)


cdef int look_for_nan(Node node) except -1:
    """Anomaly detection: names the node that made a NaN of finite numbers."""
    cdef Py_ssize_t i
    cdef Node target
    for i in range(input_count(node)):
        edge = edge_at(node, i)
        if edge is None:
            continue
        if is_node(edge):
            target = <Node>edge
            g = target.buffer if target.outputs == 1 else None
        else:
            g = (<Tensor>edge).grad_
        if g is not None and IS_FLOAT[(<Tensor>g).code] and np.isnan(values_of(<Tensor>g)).any():
            text = f"Function '{node.name()}' returned nan values in its {i}th output."
            if node.state & NODE_GENERAL and (<NodeExtra>node.more).traceback:
                text += " It was recorded here:\n" + "".join((<NodeExtra>node.more).traceback)
            raise RuntimeError(text)
    return 0


cdef int catch(Walk walk, Node node) except -1:
    cdef Py_ssize_t i
    for i in range(node.outputs):
        key = (id(node), i)
        if key in walk.wanted:
            g = node.buffer if node.outputs == 1 or node.buffer is None else node.buffer[i]
            if g is not None:
                share(<Tensor>g)
                walk.caught[key] = g
    return 0


cdef inline int release_edge(Walk walk, object edge) except -1:
    cdef Node node
    if is_node(edge):
        node = <Node>edge
        node.waiting -= 1
        if node.waiting == 0:
            walk.ready.append(node)
    return 0


cdef int release_edges(Walk walk, Node node) except -1:
    if node.e0 is not None:
        release_edge(walk, node.e0)
    if node.e1 is not None:
        release_edge(walk, node.e1)
    if node.e2 is not None:
        release_edge(walk, node.e2)
    if node.state & NODE_GENERAL and (<NodeExtra>node.more).edges is not None:
        for edge, _ in (<NodeExtra>node.more).edges:
            if edge is not None:
                release_edge(walk, edge)
    return 0


cdef int explore(Walk walk, list roots) except -1:
    """Counts, for every node that the roots reach, the gradients that it will get."""
    cdef Node node
    for root in roots:
        meet(walk, root)
    while walk.held:
        walk.held -= 1
        node = <Node><PyObject *>walk.stack[walk.held]
        if walk.visited is not None:
            walk.visited.append(node)
        if walk.bounded and (id(node), 0) in walk.wanted:
            continue
        if node.e0 is not None:
            meet(walk, node.e0)
        if node.e1 is not None:
            meet(walk, node.e1)
        if node.e2 is not None:
            meet(walk, node.e2)
        if node.state & NODE_GENERAL and (<NodeExtra>node.more).edges is not None:
            for edge, _ in (<NodeExtra>node.more).edges:
                if edge is not None:
                    meet(walk, edge)
    return 0


cdef int mark_needed(Walk walk) except -1:
    """Marks the nodes on a way from the roots to the wanted inputs; the others are not run."""
    cdef Node node
    cdef list order = [], waiting = []
    cdef dict counts = {id(node): 0 for node in walk.visited}
    for node in walk.visited:
        for edge in inner_edges(walk, node):
            if is_node(edge):
                counts[id(edge)] += 1
    waiting = [node for node in walk.visited if counts[id(node)] == 0]
    while waiting:
        node = waiting.pop()
        order.append(node)
        for edge in inner_edges(walk, node):
            if is_node(edge):
                counts[id(edge)] -= 1
                if counts[id(edge)] == 0:
                    waiting.append(edge)
    for node in reversed(order):
        for edge in inner_edges(walk, node):
            if is_node(edge):
                if (<Node>edge).needed:
                    node.needed |= 1
            elif (id(edge), 0) in walk.wanted:
                node.needed |= 1
        for i in range(node.outputs):
            if (id(node), i) in walk.wanted:
                node.needed |= 2
    return 0


cdef list inner_edges(Walk walk, Node node):
    """The edges that the walk follows."""
    return [] if walk.bounded and (id(node), 0) in walk.wanted else edges_of(node)


cdef list edges_of(Node node):
    cdef list found = [e for e in (node.e0, node.e1, node.e2) if e is not None]
    if node.state & NODE_GENERAL and (<NodeExtra>node.more).edges is not None:
        found += [edge for edge, _ in (<NodeExtra>node.more).edges if edge is not None]
    return found


cdef Tensor seed_gradient(Tensor root, object given):
    cdef Tensor g
    if given is None:
        if root.count != 1:
            raise RuntimeError(f"grad can be implicitly created only for scalar outputs; this one has the shape "
                               f"{list(shape_tuple(root))}: give gradient= of that shape, or reduce it with .sum() or .mean()")
        if not IS_FLOAT[root.code]:
            raise RuntimeError("grad can be created only for real scalar outputs")
        g = new_as(root, root.code)
        fill_raw(g, 1.0)
        return g
    if not isinstance(given, Tensor):
        raise TypeError(f"gradients can be either Tensors or None, but got {type(given).__name__}")
    g = <Tensor>given
    if not same_shape(g, root):
        raise RuntimeError(f"Mismatch in shape: grad_output[0] has a shape of {list(shape_tuple(g))} and output[0] has a shape "
                           f"of {list(shape_tuple(root))}.")
    if g.code != root.code:
        g = OP_CAST(g, DTYPE_LIST[root.code])
    return g


cdef object run_backward(tuple roots, tuple gradients, object retain_graph, bint create_graph, object inputs, bint collect,
                         bint bounded):
    """The backward pass. With ``collect`` the gradients of ``inputs`` are returned; else they, or all
    leaves', are added up.
    """
    global tg_walk, tg_grad, tg_apart
    cdef Walk walk = Walk.__new__(Walk)
    cdef void *outer = tg_walk
    cdef Node node
    cdef Tensor root, t
    cdef list starts = [], seeds = [], numbers = []
    cdef int grad = tg_grad
    cdef Py_ssize_t i
    walk.create_graph = create_graph
    walk.retain = create_graph if retain_graph is None else bool(retain_graph)
    walk.bounded = bounded
    for i in range(len(roots)):
        if not isinstance(roots[i], Tensor):
            raise TypeError(f"backward() wants Tensors, not {type(roots[i]).__name__}")
        root = <Tensor>roots[i]
        if not needs_grad(root):
            if len(roots) > 1 and gradients[i] is None and collect:
                continue
            raise RuntimeError(f"element {i} of tensors does not require grad and does not have a grad_fn: nothing that "
                               "it was computed from has requires_grad=True, or that was cut off by no_grad(), detach() or a "
                               "conversion to numbers")
        starts.append(edge_of(root))
        numbers.append(root.nr)
        seeds.append(seed_gradient(root, gradients[i]))
    if inputs is not None:
        if isinstance(inputs, Tensor):
            inputs = [inputs]
        inputs = list(inputs)
        if not inputs:
            raise RuntimeError("'inputs' argument to backward() cannot be empty.")
        walk.wanted = {}
        for i in range(len(inputs)):
            if not isinstance(inputs[i], Tensor):
                raise TypeError(f"inputs must be Tensors, but element {i} is {type(inputs[i]).__name__}")
            t = <Tensor>inputs[i]
            if not needs_grad(t):
                raise RuntimeError("One of the differentiated Tensors does not require grad")
            walk.wanted[(id(edge_of(t)), t.nr if t.node is not None else 0)] = i
        walk.caught = {}
        walk.visited = []
    walk.ready = []
    begin_walk(walk)
    tg_apart += 1                           # gradients are plain tensors, whatever their operands are
    try:
        explore(walk, starts)
        if inputs is not None:
            mark_needed(walk)
        tg_walk = <void *><PyObject *>walk
        tg_grad = create_graph
        for i in range(len(starts)):
            deliver(starts[i], numbers[i], <Tensor>seeds[i])
        seeds.clear()
        for i in range(len(starts)):
            release_edge(walk, starts[i])
        while walk.ready:
            node = <Node>walk.ready.pop()
            if inputs is not None and not node.needed:
                node.buffer = None
            else:
                run_node(walk, node)
                tg_grad = create_graph
            if not (bounded and (id(node), 0) in walk.wanted):
                release_edges(walk, node)
        if walk.leaf_waiting is not None:
            for entry in list(walk.leaf_waiting.values()):      # some node had no gradient to give
                if entry[2] is not None:
                    finish_leaf(walk, <list>entry)
                    tg_grad = create_graph
    except BaseException:
        clear_buffers(walk, starts)
        raise
    finally:
        end_walk(walk)
        tg_apart -= 1
        tg_walk = outer
        tg_grad = grad
    if inputs is None:
        return None
    found = [walk.caught.get((id(edge_of(<Tensor>t)), (<Tensor>t).nr if (<Tensor>t).node is not None else 0)) for t in inputs]
    if collect:
        return [freed_view(g) for g in found]
    for t, g in zip(inputs, found):
        if g is None:
            continue
        if (<Tensor>t).grad_ is None:
            (<Tensor>t).grad_ = g if create_graph else copy_for(<Tensor>g, <Tensor>t)
        else:
            (<Tensor>t).grad_ = binary(OP_ADD, (<Tensor>t).grad_, g)
        if (<Tensor>t).extra is not None and (<Tensor>t).node is None:
            for hook in list((<TensorExtra>(<Tensor>t).extra).accumulated.values()):
                hook(t)
    return None


cdef freed_view(object g):
    """A gradient that a formula left as a view of a tensor that no one else has stands by itself."""
    return alias_of(<Tensor>g) if g is not None and (<Tensor>g).flags & FLAG_NO_GRAD_VIEW else g


cdef int clear_buffers(Walk walk, list starts) except -1:
    """After an error: no node of this walk keeps a gradient."""
    cdef Node node
    cdef set seen = set()
    cdef list left = [s for s in starts if is_node(s)]
    while left:
        node = <Node>left.pop()
        if id(node) in seen or node.epoch != walk.epoch:        # another's: a walk around this one, or in another thread
            continue
        seen.add(id(node))
        node.buffer = None
        for edge in edges_of(node):
            if is_node(edge):
                left.append(edge)
    return 0


def _backward(roots, gradients, retain_graph, create_graph, inputs, collect, bounded=False):
    """The walk for autograd.backward (``collect`` False) and autograd.grad (True). ``bounded``: it ends at the inputs, so
    that what lies before them may be under way in a walk around this one.
    """
    return run_backward(tuple(roots), tuple(gradients), retain_graph, create_graph, inputs, collect, bounded)


def _begin_region():
    """From now on this thread's new nodes belong to a region. Gives its number and what `_end_region` takes."""
    global EPOCH, tg_region, tg_anomaly
    before = (tg_region, tg_anomaly & THE_REGION)
    EPOCH += 1          # the number of no walk, and until a walk comes that is where a node keeps it
    if EPOCH == 0:
        EPOCH = 1
    tg_region = EPOCH
    tg_anomaly |= THE_REGION
    return tg_region, before


def _end_region(tuple before not None):
    """New nodes belong to the region around the last one again, or to none."""
    global tg_region, tg_anomaly
    tg_region = before[0]
    tg_anomaly = tg_anomaly & ~THE_REGION | <int>before[1]


def _sources(tensors, unsigned int region):
    """The leaves that tensors come from by nodes of a region, and the first node of another on the way, or None."""
    cdef list left = [edge_of(<Tensor>t) for t in tensors if needs_grad(<Tensor?>t)], leaves = []
    cdef set seen = set()
    while left:
        edge = left.pop()
        if id(edge) in seen:
            continue
        seen.add(id(edge))
        if not is_node(edge):
            leaves.append(edge)
        elif (<Node>edge).epoch != region:
            return leaves, edge
        else:
            left += edges_of(<Node>edge)
    return leaves, None


def _hooks_on(Tensor t not None):
    """The hooks on a tensor's gradient: a dict, or None where there never was one."""
    return None if t.extra is None else (<TensorExtra>t.extra).hooks


def _function_view(Tensor t not None):
    """Marks a view that a Function returned: its history is the Function's, not that of its base."""
    if t.base is not None:
        t.flags |= FLAG_FUNCTION_VIEW
        t.history = version_of(t)


def _make_function_node(context, inputs, outputs, list shared, list dirty):
    """Puts a user's Function on the tape: a node with ``context`` between the tensors ``inputs`` and ``outputs``.

    Only outputs that are ``shared`` belong to it; those that are ``dirty`` existed before, and take over its history.
    """
    cdef Node node
    cdef NodeExtra extra
    cdef Tensor t
    cdef Py_ssize_t i
    node = Node.__new__(Node)
    if tg_anomaly or tg_lines:
        remember(node)
    extra = node_extra(node)
    extra.context = context
    extra.edges = []
    extra.codes = []
    extra.saved = []
    extra.versions = []
    extra.shapes = []
    for i in range(len(inputs)):
        edge = None
        number = 0
        code = F32
        extra.shapes.append(shape_tuple(<Tensor>inputs[i]) if isinstance(inputs[i], Tensor) else None)
        if isinstance(inputs[i], Tensor):
            t = <Tensor>inputs[i]
            edge = edge_of(t)
            number = t.nr
            code = t.code
        if i == 0:
            node.e0 = edge
            node.nr0 = number
        elif i == 1:
            node.e1 = edge
            node.nr1 = number
        elif i == 2:
            node.e2 = edge
            node.nr2 = number
        else:
            extra.edges.append((edge, number))
            extra.codes.append(code)
            extra.saved.append(None)
            extra.versions.append(0)
        if i < 3:
            node.codes[i] = code
    node.outputs = len(outputs)
    extra.outputs_meta = []
    for i in range(len(outputs)):
        extra.outputs_meta.append((shape_tuple(<Tensor>outputs[i]), (<Tensor>outputs[i]).code)
                                  if isinstance(outputs[i], Tensor) else ((), F32))
        if isinstance(outputs[i], Tensor) and shared[i]:
            t = <Tensor>outputs[i]
            if dirty[i]:
                t = alias_of(t)
            t.node = node
            t.nr = i
            t.requires = True
            if dirty[i]:
                take_history(<Tensor>outputs[i], t)
    return node
