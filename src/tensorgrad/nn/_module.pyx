# cython: language_level=3, binding=True, boundscheck=False, wraparound=False, auto_pickle=False
"""The part of a Module that every step passes: calling, attribute look-up, assignment, zero_grad, Sequential's loop.

The class itself, and all that is not on this path, is in `modules/module.py`. A module's whole state lies in its
`__dict__` (`training`, `_parameters`, `_buffers`, `_modules`, `_non_persistent_buffers_set`, and `_hooks_by_kind` once
there has been one), so that copying, pickling and users who reach into it need no special care. Nothing of it is
kept elsewhere.
"""
from cpython.object cimport PyObject, PyTypeObject

from tensorgrad.core import Tensor
from tensorgrad.nn.parameter import Buffer, Parameter

cdef extern from *:
    """
    #define MODULE_ARGS 8
    /* A plain function found on the class is called with the module in front: no bound method is made. */
    static CYTHON_INLINE int module_is_method(PyObject *f) {
        return PyType_HasFeature(Py_TYPE(f), Py_TPFLAGS_METHOD_DESCRIPTOR);
    }
    static CYTHON_INLINE int module_is_data(PyObject *descr) { return Py_TYPE(descr)->tp_descr_set != NULL; }
    static CYTHON_INLINE int module_has_get(PyObject *descr) { return Py_TYPE(descr)->tp_descr_get != NULL; }
    static CYTHON_INLINE PyObject *module_get(PyObject *descr, PyObject *self) {
        return Py_TYPE(descr)->tp_descr_get(descr, self, (PyObject *)Py_TYPE(self));
    }
    static CYTHON_INLINE int module_is_dict(PyObject *o) { return o != NULL && PyDict_Check(o); }
    /* Subclasses keep the base's place for the instance's dict. While a module is taken apart it is none. */
    static CYTHON_INLINE PyObject **module_state(PyObject *self) {
        return (PyObject **)((char *)self + Py_TYPE(self)->tp_dictoffset);
    }
    static CYTHON_INLINE PyObject *module_find(PyObject *self, PyObject *name) {
        PyObject *state = *module_state(self);
        return module_is_dict(state) ? PyDict_GetItemWithError(state, name) : NULL;
    }
    /* The parameter, buffer or submodule of that name, borrowed, or NULL; places that are no dicts are left out. */
    static PyObject *module_look_up(PyObject *self, PyObject *places, PyObject *name) {
        Py_ssize_t i;
        for (i = 0; i < 3; i++) {
            PyObject *place = module_find(self, PyTuple_GET_ITEM(places, i)), *value;
            if (!module_is_dict(place)) {
                if (PyErr_Occurred()) return NULL;
                continue;
            }
            value = PyDict_GetItemWithError(place, name);
            if (value != NULL || PyErr_Occurred()) return value;
        }
        return NULL;
    }
    /* Cython makes `module.__dict__` read-only; a plain Python object's is not. */
    static void module_let_state_be_set(PyTypeObject *tp) {
        PyGetSetDef *entry = tp->tp_getset;
        for (; entry != NULL && entry->name != NULL; entry++)
            if (strcmp(entry->name, "__dict__") == 0) entry->set = PyObject_GenericSetDict;
    }
    /* Python's own answers 1 where it has raised, in some versions. */
    static CYTHON_INLINE int module_enter(const char *where) { return Py_EnterRecursiveCall(where) ? -1 : 0; }
    /* Lets an error that is set go on as if it came from here. */
    static CYTHON_INLINE int module_failing(void) { return -1; }
    /* Cython would empty the dict first, and others may hold it. */
    static CYTHON_INLINE void module_drop_state(PyObject *self) { Py_CLEAR(*module_state(self)); }
    """
    enum: MODULE_ARGS
    bint module_is_method(PyObject *f) noexcept
    bint module_is_data(PyObject *descr) noexcept
    bint module_has_get(PyObject *descr) noexcept
    object module_get(PyObject *descr, object self)
    PyObject *module_find(object self, str name) except? NULL
    PyObject *module_look_up(object self, tuple places, object name) except? NULL
    void module_let_state_be_set(PyTypeObject *tp) noexcept
    void module_drop_state(object self) noexcept
    PyTypeObject *Py_TYPE(object o) noexcept
    PyObject *_PyType_Lookup(PyTypeObject *tp, PyObject *name) noexcept
    PyObject *PyObject_Vectorcall(PyObject *f, PyObject **args, size_t n, PyObject *names) noexcept
    PyObject *PyObject_VectorcallDict(PyObject *f, PyObject **args, size_t n, PyObject *kwargs) noexcept
    object PyObject_GenericGetAttr(object o, object name)
    int PyObject_GenericSetAttr(object o, object name, object value) except -1
    PyObject *PyObject_Call(object f, object args, PyObject *kwargs) noexcept
    int module_failing() except -1
    PyObject *PyTuple_GET_ITEM(PyObject *t, Py_ssize_t i) noexcept
    int module_enter(const char *where) except -1
    void Py_LeaveRecursiveCall() noexcept
    void Py_DECREF(PyObject *o) noexcept
    void PyType_Modified(PyTypeObject *tp) noexcept

ctypedef PyObject *(*getattro_fn)(PyObject *, PyObject *) noexcept
ctypedef PyObject *(*call_fn)(PyObject *, PyObject *, PyObject *) noexcept

cdef extern from "Python.h":
    ctypedef struct TypeSlots "PyTypeObject":
        getattro_fn tp_getattro
        call_fn tp_call

cdef str FORWARD = "forward", HOOKS = "_hooks_by_kind"
cdef str PARAMETERS = "_parameters", BUFFERS = "_buffers", MODULES = "_modules"
cdef tuple PLACES = (PARAMETERS, BUFFERS, MODULES)
cdef str PLAIN = "_parameters_listed_plainly"
cdef str TRANSIENT = "_non_persistent_buffers_set"
cdef tuple CALL_HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_hooks", "_backward_pre_hooks")

cdef object yes = True
cdef object call_with_hooks = None

# Hooks on every module there is; `modules.module` registers them.
everywhere = {name: {} for name in CALL_HOOKS}
cdef dict pre_everywhere = everywhere["_forward_pre_hooks"]
cdef dict post_everywhere = everywhere["_forward_hooks"]
cdef dict back_everywhere = everywhere["_backward_hooks"]
cdef dict back_pre_everywhere = everywhere["_backward_pre_hooks"]


cdef class ModuleBase:
    """What `Module` is built on: `module(x)` and nothing else."""
    cdef dict __dict__
    cdef object __weakref__

    def __dealloc__(self):
        module_drop_state(self)

    def __call__(self, *args, **kwargs):
        if is_hooked(self):
            return call_with_hooks(self, args, kwargs)
        return call_forward(self, args, kwargs)


module_let_state_be_set(<PyTypeObject *>ModuleBase)


cdef bint is_hooked(ModuleBase self) except -1:
    """Whether a call has to go the long way."""
    if len(pre_everywhere) or len(post_everywhere) or len(back_everywhere) or len(back_pre_everywhere):
        return True
    cdef PyObject *hooks = module_find(self, HOOKS)
    if hooks is NULL:
        return False
    cdef dict book = <dict?><object>hooks
    for name in CALL_HOOKS:
        if book.get(name):
            return True
    return False


cdef PyObject *plain_forward(ModuleBase self) except? NULL:
    """The class's forward (borrowed) if it can be called with the module in front, else NULL."""
    if module_find(self, FORWARD) is not NULL:
        return NULL
    cdef PyObject *forward = _PyType_Lookup(Py_TYPE(self), <PyObject *>FORWARD)
    return forward if forward is not NULL and module_is_method(forward) else NULL


cdef object call_forward(ModuleBase self, tuple args, dict kwargs):
    cdef PyObject *stack[MODULE_ARGS]
    cdef PyObject *forward = plain_forward(self)
    cdef PyObject *result
    cdef Py_ssize_t n = len(args), i
    if forward is NULL or n >= MODULE_ARGS:
        return result_of(self, PyObject_Call(self.forward, args, <PyObject *>kwargs if kwargs else NULL))
    stack[0] = <PyObject *>self
    for i in range(n):
        stack[i + 1] = PyTuple_GET_ITEM(<PyObject *>args, i)
    _method = <object>forward       # held: forward may replace itself on the class
    module_enter(" in Module.__call__")
    if kwargs:
        result = PyObject_VectorcallDict(forward, stack, n + 1, <PyObject *>kwargs)
    else:
        result = PyObject_Vectorcall(forward, stack, n + 1, NULL)
    Py_LeaveRecursiveCall()
    return result_of(self, result)


cdef inline object result_of(ModuleBase self, PyObject *result):
    """What forward gave; an error that it raised is told which layer it comes from."""
    if result is NULL:
        failed(self)
    value = <object>result
    Py_DECREF(result)
    return value


cdef int failed(ModuleBase self) except -1:
    try:
        module_failing()
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        name_layer(self, error)
        raise
    return 0


def name_layer(self, error):
    """The innermost module that an error passes leaves its mark on it; those around it name it in the message's last line."""
    mark = error.__dict__.get("_layer")
    if mark is None:
        error._layer = (id(self), f"{type(self).__name__}({settings_shown(self)})", "")
        return
    innermost, shown, line = mark
    names = [name for name, module in self.named_modules() if id(module) == innermost]
    name = names[0] if names else ""
    text = error.args[0] if len(error.args) == 1 else None
    if not name or type(text) is not str or str(error) != text:
        return
    new = f"\nin {type(self).__name__}, layer {name} ({shown})"
    error.args = (text.removesuffix(line) + new,)
    error._layer = (innermost, shown, new)


cdef object settings_shown(self):
    try:
        return " ".join(self.extra_repr().split())
    except Exception:               # the user's own, of a module that is not complete
        return "..."


cdef call_fn base_call = (<TypeSlots *>ModuleBase).tp_call


cdef object call_one(object module, object input):
    """`module(input)`, without the tuple where nothing stands between the call and forward."""
    cdef PyObject *stack[2]
    cdef PyObject *forward = NULL
    cdef PyObject *result
    if (<TypeSlots *>Py_TYPE(module)).tp_call == base_call and not is_hooked(<ModuleBase>module):
        forward = plain_forward(<ModuleBase>module)
    if forward is NULL:
        return module(input)
    stack[0] = <PyObject *>module
    stack[1] = <PyObject *>input
    _method = <object>forward
    module_enter(" in Module.__call__")
    result = PyObject_Vectorcall(forward, stack, 2, NULL)
    Py_LeaveRecursiveCall()
    return result_of(<ModuleBase>module, result)


def set_call_with_hooks(function):
    """Says what `module(…)` does when there are hooks."""
    global call_with_hooks
    call_with_hooks = function


def run_forward(ModuleBase self not None, tuple args, dict kwargs):
    """The module's forward, hooks or not."""
    return call_forward(self, args, kwargs)


def sequential_forward(self, input):
    """Each module's output is the next one's input; the last output comes back."""
    for module in plain(self._modules).values():
        input = call_one(module, input)
    return input


# -- attributes ------------------------------------------------------------------------------------

def get_missing(ModuleBase self not None, str name not None):
    """The parameter, buffer or submodule of that name, else AttributeError: `__getattr__`."""
    cdef PyObject *value = module_look_up(self, PLACES, name)
    if value is NULL:
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'", name=name, obj=self)
    return <object>value


cdef object getattro(ModuleBase self, object name):
    """Python's own order (data descriptor, instance, class), then `get_missing`, with no exception on the way."""
    cdef PyObject *descr
    cdef PyObject *value
    if type(name) is not str:
        return PyObject_GenericGetAttr(self, name)
    descr = _PyType_Lookup(Py_TYPE(self), <PyObject *>name)
    if descr is not NULL and module_has_get(descr) and module_is_data(descr):
        return call_get(self, descr)
    value = module_find(self, name)
    if value is not NULL:
        return <object>value
    if descr is not NULL:
        return call_get(self, descr) if module_has_get(descr) else <object>descr
    value = module_look_up(self, PLACES, name)
    return <object>value if value is not NULL else get_missing(self, name)


cdef object call_get(ModuleBase self, PyObject *descr):
    _held = <object>descr
    return module_get(descr, self)


def prepare(cls, module_class):
    """Chooses the quick ways for a new class of modules, unless it has its own.

    Attributes: Python gives each class a slot that calls `__getattribute__` and `__getattr__` by name, as `Module` has
    the latter for `super().__getattr__` to find; `getattro` does the work of both. When either is assigned to the class
    later, Python sets its own slot again, so nothing is lost. Parameters: `walk` stands in for the overridable methods.
    """
    if cls.__getattr__ is module_class.__getattr__ and cls.__getattribute__ is object.__getattribute__:
        (<TypeSlots *><PyObject *>cls).tp_getattro = <getattro_fn>getattro
        PyType_Modified(<PyTypeObject *>cls)
    for name in ("parameters", "named_parameters", "named_modules"):
        if getattr(cls, name) is not getattr(module_class, name):
            cls._parameters_listed_plainly = False


cdef inline dict state_of(object self):
    return self.__dict__


cdef inline dict plain(object mapping):
    """A dict to loop over, in the mapping's own order."""
    return <dict>mapping if type(mapping) is dict else dict(mapping)


cdef int forget(dict state, str name, kind) except -1:
    """Takes a name out of every place but `kind`, so that it means one thing."""
    for place in PLACES:
        if place is not kind:
            state[place].pop(name, None)
    state.pop(name, None)
    state[TRANSIENT].discard(name)
    return 0


def set_attribute(ModuleBase self not None, str name not None, value):
    """Registers parameters, submodules and buffers; everything else becomes an ordinary attribute."""
    cdef dict state = state_of(self)
    parameters = state.get(PARAMETERS)
    if isinstance(value, Parameter):
        if parameters is None:
            raise AttributeError("cannot assign parameters before Module.__init__() call: begin __init__ with super().__init__()")
        forget(state, name, PARAMETERS)
        self.register_parameter(name, value)
    elif parameters is not None and name in parameters:
        if value is not None:
            raise TypeError(f"cannot assign '{type_name(value)}' as parameter '{name}' "
                            "(tensorgrad.nn.Parameter or None expected)")
        self.register_parameter(name, None)
    elif isinstance(value, ModuleBase):
        if parameters is None:
            raise AttributeError("cannot assign module before Module.__init__() call: begin __init__ with super().__init__()")
        forget(state, name, MODULES)
        state[MODULES][name] = announced(self, name, value, on_module)
    elif parameters is None:
        if isinstance(value, Buffer):
            raise AttributeError("cannot assign buffer before Module.__init__() call: begin __init__ with super().__init__()")
        PyObject_GenericSetAttr(self, name, value)
    elif name in state[MODULES]:
        if value is not None:
            raise TypeError(f"cannot assign '{type_name(value)}' as child module '{name}' "
                            "(tensorgrad.nn.Module or None expected)")
        state[MODULES][name] = announced(self, name, None, on_module)
    elif name in state[BUFFERS]:
        if not (value is None or isinstance(value, Tensor)):
            raise TypeError(f"cannot assign '{type_name(value)}' as buffer '{name}' "
                            "(tensorgrad.nn.Buffer, tensorgrad.Tensor or None expected)")
        self.register_buffer(name, value,
                             value.persistent if isinstance(value, Buffer) else name not in state[TRANSIENT])
    elif isinstance(value, Buffer):
        self.register_buffer(name, value, value.persistent)
    else:
        PyObject_GenericSetAttr(self, name, value)


def delete_attribute(ModuleBase self not None, str name not None):
    """Takes back a parameter, buffer, submodule or ordinary attribute."""
    cdef dict state = state_of(self)
    for place in PLACES:
        if name in state.get(place, ()):
            del state[place][name]
            if place is BUFFERS:
                state[TRANSIENT].discard(name)
            return
    object.__delattr__(self, name)


# Called before a parameter, buffer or module is registered anywhere; what they return takes its place.
on_parameter, on_buffer, on_module = {}, {}, {}


def announced(module, str name, value, dict hooks):
    """What is to be registered after all the hooks have seen it."""
    for hook in hooks.values():
        other = hook(module, name, value)
        if other is not None:
            value = other
    return value


def type_name(value):
    """A value's type as messages name it."""
    cls = type(value)
    package = cls.__module__.partition(".")[0]
    return cls.__qualname__ if package == "builtins" else f"{package}.{cls.__qualname__}"


# -- walks over the tree ---------------------------------------------------------------------------

cdef struct Path:
    PyObject *module
    Path *above


cdef bint is_on(PyObject *module, Path *path) noexcept:
    """Whether the walk is inside that module already: a module may contain itself."""
    while path is not NULL:
        if path.module is module:
            return True
        path = path.above
    return False


cdef int walk(ModuleBase self, dict found, Path *above) except -1:
    """Adds all parameters of the tree to `found`, each once, in the order of `named_parameters`.

    Without `found` it sets their gradients to None; a parameter that is met twice does not mind.
    """
    module_enter(" in a walk over modules")
    try:
        return walk_into(self, found, above)
    finally:
        Py_LeaveRecursiveCall()


cdef int walk_into(ModuleBase self, dict found, Path *above) except -1:
    cdef Path here = Path(<PyObject *>self, above)
    cdef PyObject *parameters = module_find(self, PARAMETERS)
    cdef PyObject *modules = module_find(self, MODULES)
    if parameters is NULL or modules is NULL:
        raise AttributeError("parameters are asked for before Module.__init__() call")
    for parameter in plain(<object>parameters).values():
        if parameter is not None:
            if found is None:
                parameter.grad = None
            else:
                found[parameter] = None
    for child in plain(<object>modules).values():
        if child is not None and not is_on(<PyObject *>child, &here):
            walk(child, found, &here)
    return 0


def all_parameters(ModuleBase self not None):
    """A list of the tree's parameters, each once."""
    cdef dict found = {}
    walk(self, found, NULL)
    return list(found)


def zero_grad(ModuleBase self not None, bint set_to_none=True):
    """Forgets the gradients of all parameters, or with `set_to_none=False` fills them with zeros."""
    if set_to_none and _PyType_Lookup(Py_TYPE(self), <PyObject *>PLAIN) is <PyObject *>yes:
        walk(self, None, NULL)
        return
    for parameter in self.parameters():
        grad = parameter.grad
        if set_to_none:
            parameter.grad = None
        elif grad is not None:
            if grad.grad_fn is not None:
                grad.detach_()
            else:
                grad.requires_grad_(False)
            grad.zero_()
