# DLPack of what NumPy has no type for: the capsule of integers of the same size, with another word for what they are.

cdef enum:
    DL_UINT = 1
    DL_BFLOAT = 4

cdef struct DLTensor:           # the beginning of DLPack's, of which no more is needed
    void *data
    int32_t device[2]
    int32_t ndim
    uint8_t code
    uint8_t bits
    uint16_t lanes

cdef struct DLVersioned:        # what stands before it in a versioned capsule
    uint32_t version[2]
    void *context
    void *deleter
    uint64_t flags
    DLTensor tensor

cdef extern from "Python.h":
    bint PyCapsule_IsValid(object capsule, const char *name) noexcept
    void *PyCapsule_GetPointer(object capsule, const char *name) except NULL


cdef DLTensor *in_capsule(object capsule) except NULL:
    if PyCapsule_IsValid(capsule, "dltensor_versioned"):
        return &(<DLVersioned *>PyCapsule_GetPointer(capsule, "dltensor_versioned")).tensor
    return <DLTensor *>PyCapsule_GetPointer(capsule, "dltensor")


def _bfloat16_as_integers(capsule):
    """Makes a capsule of bfloat16 one of uint16, which NumPy reads; tells whether it was."""
    cdef DLTensor *tensor = in_capsule(capsule)
    if tensor.code != DL_BFLOAT or tensor.bits != 16 or tensor.lanes != 1:
        return False
    tensor.code = DL_UINT
    return True


cdef object brain_capsule(Tensor t, dict keywords):
    """A capsule of bfloat16."""
    capsule = array_of(t).view(np.uint16).__dlpack__(**keywords)
    in_capsule(capsule).code = DL_BFLOAT
    return capsule
