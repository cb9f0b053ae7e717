# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: binding=False, embedsignature=True, embedsignature.format=clinic, auto_pickle=False
"""The compiled half of every optimizer: what it remembers, and the loop over the parameters.

`State`, `States` and `Group` are the dicts that PyTorch's optimizers have (`optimizer.state[param]`, `optimizer.state`,
`optimizer.param_groups[i]`), which also notice when an entry changes. As long as none did, `Stepper.step` reads the
tensors, kernels and settings it found the last time from C fields, so a step costs no look-up at all.
"""
from libc.stdint cimport int64_t

from tensorgrad._kernels cimport (
    F32,
    F64,
    KERNEL_INTEGERS,
    KERNEL_OPERANDS,
    KERNEL_SCALARS,
    Event,
    Kernel,
    KernelArgs,
    LISTENED,
    TRAPPED,
    begin,
    begin_event,
    end_event,
    find,
    listening_word,
    operands_of,
    settings_of,
)
from tensorgrad.core._core cimport (
    Tensor,
    begin_watch,
    clash,
    copied_to,
    end_watch,
    is_dense,
    is_finite,
    kernels_on,
    launch,
    lies_with,
    overlap,
)

from tensorgrad.core import enable_grad
from tensorgrad.core._core import _judge_step

cdef enum:
    SLOTS = KERNEL_OPERANDS - 2     # behind a parameter and its gradient
    NONE = -1


cdef int *LISTENING = listening_word()
cdef const Kernel *ADD32 = find(b"add_scalar", F32)
cdef const Kernel *ADD64 = find(b"add_scalar", F64)


cdef class Watched(dict):
    """A dict that counts its changes."""
    cdef Py_ssize_t changes

    def __init__(self, entries=()):
        self.update(entries)

    def __setitem__(self, key, value):
        self.changes += 1
        dict.__setitem__(self, key, value)

    def __delitem__(self, key):
        self.changes += 1
        dict.__delitem__(self, key)

    def __ior__(self, other):
        self.update(other)
        return self

    def clear(self):
        self.changes += 1
        dict.clear(self)

    def pop(self, *args):
        self.changes += 1
        return dict.pop(self, *args)

    def popitem(self):
        self.changes += 1
        return dict.popitem(self)

    def setdefault(self, key, default=None):
        if key not in self:
            self[key] = default
        return self[key]

    def update(self, *args, **kwargs):
        for key, value in dict(*args, **kwargs).items():
            self[key] = value

    def copy(self):
        return type(self)(self)

    def __reduce__(self):
        return type(self), (dict(self),)


cdef class State(Watched):
    """What an optimizer remembers for one parameter.

    An entry can be read and written as an attribute too. Writing a tensor to an attribute that already holds one of its
    shape and dtype copies the values, so whoever holds the remembered tensor sees the step; writing an item replaces it.
    """
    cdef tuple names                # for which settings, and after how many changes, the fields below were read
    cdef Py_ssize_t seen
    cdef Tensor step
    cdef list slots                 # the tensors that a kernel reads, None for one that the settings don't call for

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"the optimizer remembers no {name!r} for this parameter; it has {list(self)}") from None

    def __setattr__(self, name, value):
        old = self.get(name)
        if isinstance(old, Tensor) and isinstance(value, Tensor) and old.shape == value.shape and old.dtype == value.dtype:
            if old is not value:
                old.copy_(value)
        else:
            self[name] = value


cdef class States(Watched):
    """From each parameter to its `State`; an unknown key gets an empty one, as with PyTorch's defaultdict."""

    def __missing__(self, key):
        self[key] = State()
        return self[key]

    def __setitem__(self, key, value):
        Watched.__setitem__(self, key, State(value) if type(value) is dict else value)


cdef class Group(Watched):
    """Parameters that share their settings."""
    cdef Py_ssize_t seen            # the fields below are what the entries said after that many changes
    cdef list params
    cdef tuple owners               # the parameters and, in the same order, their states
    cdef list rows
    cdef States states              # where the rows came from, after how many changes
    cdef Py_ssize_t states_seen
    cdef tuple names                # the slots that the kernel reads, None for one that the settings don't call for
    cdef bint counts
    cdef State nothing              # stands for the state of every parameter when the settings call for no slot at all
    cdef int[SLOTS] number          # of each slot: NONE if it is as the parameter, the dtype if it is one number
    cdef int step_at                # which of the scalars is the number of the step, or NONE
    cdef double[KERNEL_SCALARS] scalars
    cdef int64_t[KERNEL_INTEGERS] integers
    cdef const Kernel *fn32
    cdef const Kernel *fn64

    def __cinit__(self):
        self.seen = -1


cdef int read_group(Stepper optimizer, Group group) except -1:
    """Takes over what the group's entries say, as C values."""
    kind = type(optimizer)
    params = group["params"]
    group.params = params if type(params) is list else list(params)
    group.fn32 = group.fn64 = NULL
    if kind.kernel is not None and not group.get("differentiable"):
        read_settings(optimizer, group, kind)
    group.seen = group.changes                  # last: had anything failed, it would be read again
    for value in group.values():                # a tensor can change without the group noticing
        if isinstance(value, Tensor) or (type(value) is tuple and any([isinstance(each, Tensor) for each in value])):
            group.seen = -1
    return 0


cdef int read_settings(Stepper optimizer, Group group, object kind) except -1:
    """What the kernel needs to know: which slots there are, and its settings."""
    cdef tuple names
    needed = optimizer.needs(group)
    names = tuple([slot if slot in needed else None for slot in kind.slots if slot != "step"])
    read_kernel(group, kind.kernel, len(names))
    group.counts = "step" in needed
    group.nothing = None if needed else State()
    if names != group.names:                    # states compare by identity whether they were read for these
        group.names = names
    return 0


cdef int read_kernel(Group group, str name, Py_ssize_t slots) except -1:
    """Takes over what the kernel declares: its settings are the group's, its operands behind the gradient the slots."""
    cdef int i
    cdef const Kernel *kernel = find(name.encode(), F32)
    if kernel is NULL:
        raise ValueError(f"the optimizer asks for the kernel {name!r}, and there is none of that name")
    reals, integers = settings_of(kernel)
    operands = operands_of(kernel)[2:]
    if len(operands) != slots:
        raise TypeError(f"the kernel {name!r} has {len(operands)} operands behind the gradient, and the optimizer {slots} "
                        f"slots beside 'step'")
    group.step_at = NONE
    for i, setting in enumerate(reals):
        if setting == "step":
            group.step_at = i
        else:
            group.scalars[i] = value_of(group, setting)
    for i, setting in enumerate(integers):
        group.integers[i] = bool(group[setting])
    for i, operand in enumerate(operands):
        group.number[i] = operand.code if operand.where == "." else NONE
    group.fn32, group.fn64 = kernel, find(name.encode(), F64)
    return 0


cdef double value_of(Group group, str setting) except? -1:
    """A setting as a number; the betas, which stand in one tuple, are called beta1 and beta2."""
    if setting[:4] == "beta" and setting not in group:
        return float(group["betas"][int(setting[4:]) - 1])
    return float(group[setting])


cdef int read_rows(Group group, States states) except -1:
    group.states = states
    group.states_seen = states.changes
    group.owners = tuple(group.params)
    group.rows = [states.get(param) for param in group.owners]
    return 0


cdef bint read_state(Group group, State state) except -1:
    """Takes over the tensors of a state; False when some are still missing."""
    cdef list slots = []
    if group.counts:
        step = state.get("step")
        if not isinstance(step, Tensor):
            return False
        state.step = <Tensor>step
    for name in group.names:
        value = None if name is None else state.get(name)
        if name is not None and not isinstance(value, Tensor):
            return False
        slots.append(value)
    state.slots = slots
    state.names = group.names
    state.seen = state.changes
    return True


cdef inline const Kernel *kernel_of(Group group, Tensor param) noexcept:
    return group.fn32 if param.code == F32 else group.fn64 if param.code == F64 else NULL


cdef bint launch_step(Group group, State state, Tensor param, Tensor grad) except -1:
    """One step of one parameter by the kernel; False, and nothing done, when only the rule can do it."""
    cdef KernelArgs a, counting
    cdef const Kernel *fn = kernel_of(group, param)
    cdef Tensor slot, step
    cdef list slots
    cdef int i, k, count
    if grad.count != param.count:
        return False
    if not lies_with(grad, param) or clash(param, grad):    # first of all: other threads run meanwhile
        grad = copied_to(grad, param)
    if fn is NULL or not is_dense(param) or param.block.frozen or grad.code != param.code or not lies_with(grad, param):
        return False
    if (state.names is not group.names or state.seen != state.changes) and not read_state(group, state):
        return False
    slots = state.slots                 # another thread's step may give the state others
    count = <int>len(slots)
    begin(&a, 1)
    for i in range(count):
        if slots[i] is not None:
            slot = <Tensor>slots[i]
            if group.number[i] == NONE:
                if slot.code != param.code or not lies_with(slot, param) or slot.block.frozen:
                    return False
            elif slot.code != group.number[i] or slot.count != 1 or slot.block.frozen:
                return False
            if overlap(slot, param) or overlap(slot, grad):
                return False
            for k in range(i):
                if slots[k] is not None and overlap(slot, <Tensor>slots[k]):
                    return False
            a.data[2 + i] = slot.at
    for i in range(KERNEL_SCALARS):
        a.scalar[i] = group.scalars[i]
    for i in range(KERNEL_INTEGERS):
        a.integer[i] = group.integers[i]
    if group.counts:
        step = state.step
        if step.count != 1 or step.block.frozen:
            return False
        if step.code != F32 and step.code != F64:
            return False
        begin(&counting, 1)
        counting.size[0] = 1
        counting.data[0] = counting.data[1] = step.at
        counting.stride[0][0] = counting.stride[1][0] = 4 if step.code == F32 else 8
        counting.scalar[0] = 1
        step.block.version += 1
        launch(ADD32 if step.code == F32 else ADD64, &counting)
        if group.step_at != NONE:
            a.scalar[group.step_at] = (<float *>step.at)[0] if step.code == F32 else (<double *>step.at)[0]
    for i in range(count):
        if slots[i] is not None:
            (<Tensor>slots[i]).block.version += 1
    a.data[0] = param.at
    a.data[1] = grad.at
    a.size[0] = param.count
    param.block.version += 1
    launch(fn, &a)
    return True


cdef int step_group(Stepper optimizer, Group group, States states) except -1:
    cdef Py_ssize_t i
    cdef Tensor param
    cdef list params, rows
    cdef tuple owners
    if group.seen != group.changes:
        read_group(optimizer, group)
    params = group.params
    if group.states is not states or group.states_seen != states.changes or len(group.owners) != len(params):
        read_rows(group, states)
    rows = group.rows
    owners = group.owners
    for i in range(len(owners)):
        param = <Tensor?>params[i]
        if param.grad_ is None:
            continue
        if LISTENING[0] & TRAPPED:
            trapped_step(optimizer, group, states, owners[i], rows, i, param)
        else:
            step_one(optimizer, group, owners[i], rows, i, param)
    return 0


cdef int step_one(Stepper optimizer, Group group, object owner, list rows, Py_ssize_t i, Tensor param) except -1:
    """The step of parameter i of a group."""
    cdef State state
    if owner is not param:
        optimizer._update(param, group)
        group.states = None                     # the list of parameters was changed in place: read it again next time
        return 0
    state = group.nothing
    if state is None and type(rows[i]) is State:
        state = <State>rows[i]
    if kernels_on() and kernel_of(group, param) is not NULL:
        if state is None:                       # the first step: by the kernel as well, as a rule takes memory
            state = <State?>optimizer._begin(param, group)
        if launch_step(group, state, param, param.grad_):
            return 0
    optimizer._update(param, group)
    return 0


cdef int trapped_step(Stepper optimizer, Group group, States states, object owner, list rows, Py_ssize_t i,
                      Tensor param) except -1:
    """The same, and raises where what it wrote is not finite while all that it read was."""
    cdef Tensor grad = param.grad_
    cdef bint finite = is_finite(param) and is_finite(grad)
    cdef bint watching
    for value in dict.get(states, param, {}).values():
        finite = finite and (not isinstance(value, Tensor) or is_finite(<Tensor>value))
    watching = begin_watch()
    try:
        step_one(optimizer, group, owner, rows, i, param)
    finally:
        end_watch(watching)
    if not finite or not watching:
        return 0
    title = f"parameter {group['param_names'][i] if 'param_names' in group else i}"
    written = [(title, param)] + [(f"{name} of {title}", value) for name, value in dict.get(states, param, {}).items()]
    for label, value in written:
        if isinstance(value, Tensor) and not is_finite(<Tensor>value):
            settings = [(key, given) for key, given in group.items() if isinstance(given, float)]
            _judge_step(f"{type(optimizer).__name__}.step", [("gradient", grad)] + settings, label, value)
    return 0


cdef inline object given_by_init(Stepper optimizer, object value, str name):
    if value is None:
        raise AttributeError(f"'{type(optimizer).__name__}' object has no attribute '{name}' before Optimizer.__init__() call")
    return value


cdef int step_groups(Stepper optimizer) except -1:
    for group in given_by_init(optimizer, optimizer.groups, "param_groups"):
        step_group(optimizer, <Group>group if type(group) is Group else Group(group), optimizer.states)
    return 0


cdef int heard_step(Stepper optimizer) except -1:
    cdef Event event
    if not LISTENING[0] & LISTENED:
        return step_groups(optimizer)
    event = begin_event("step", f"Optimizer.step#{type(optimizer).__name__}.step")
    try:
        return step_groups(optimizer)
    finally:
        end_event(event)


cdef class Stepper:
    """Parameters in groups, what is remembered for each, and the walk over them."""
    cdef States states
    cdef object groups              # what __init__ gives, and what stays None where a subclass does not call it
    cdef object defaults_
    cdef public object _optimizer_step_pre_hooks        # hooks are in dicts, which may be ordered ones
    cdef public object _optimizer_step_post_hooks
    cdef public object _optimizer_state_dict_pre_hooks
    cdef public object _optimizer_state_dict_post_hooks
    cdef public object _optimizer_load_state_dict_pre_hooks
    cdef public object _optimizer_load_state_dict_post_hooks
    cdef public bint _opt_called    # whether a step was ever made: schedulers ask
    cdef public bint _in_hooks

    slots = ()
    kernel = None

    def __cinit__(self, *args, **kwargs):
        self.states = States()
        self._optimizer_step_pre_hooks, self._optimizer_step_post_hooks = {}, {}
        self._optimizer_state_dict_pre_hooks, self._optimizer_state_dict_post_hooks = {}, {}
        self._optimizer_load_state_dict_pre_hooks, self._optimizer_load_state_dict_post_hooks = {}, {}

    @property
    def param_groups(self):
        """The groups of parameters, as dicts with their settings."""
        return given_by_init(self, self.groups, "param_groups")

    @param_groups.setter
    def param_groups(self, value):
        self.groups = value

    @property
    def defaults(self):
        """The settings of a group that does not give its own."""
        return given_by_init(self, self.defaults_, "defaults")

    @defaults.setter
    def defaults(self, value):
        self.defaults_ = value

    @property
    def state(self):
        """What the optimizer remembers, by parameter."""
        return self.states

    @state.setter
    def state(self, value):
        self.states = <States>value if type(value) is States else States(value)

    def step(self, closure=None):
        """Changes every parameter that has a gradient, once.

        `closure`, if given, computes the loss anew with gradients enabled; its result is returned.
        """
        loss = None
        if (self._optimizer_step_pre_hooks or self._optimizer_step_post_hooks or global_pre_hooks or global_post_hooks) \
                and not self._in_hooks:
            return self._hooked_step(closure)
        self._opt_called = True
        if closure is not None:
            with enable_grad():
                loss = closure()
        if LISTENING[0]:
            heard_step(self)
        else:
            step_groups(self)
        return loss

    def zero_grad(self, set_to_none=True):
        """Takes the gradient of every parameter away, or with `set_to_none=False` fills it with zeros."""
        cdef list params
        cdef Tensor param
        for group in given_by_init(self, self.groups, "param_groups"):
            if type(group) is Group and (<Group>group).seen == (<Group>group).changes:
                params = (<Group>group).params
            else:
                params = list(group["params"])
            for each in params:
                param = <Tensor?>each
                if set_to_none:
                    param.grad_ = None
                elif param.grad_ is not None:
                    if param.grad_.node is not None:
                        param.grad_.detach_()
                    else:
                        param.grad_.requires_grad_(False)
                    param.grad_.zero_()


cdef dict global_pre_hooks = {}
cdef dict global_post_hooks = {}


def _global_hooks():
    """The hooks of all optimizers: those before a step and those after it."""
    return global_pre_hooks, global_post_hooks
