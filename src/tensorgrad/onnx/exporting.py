"""`export`: one recorded forward pass of a module, written as a file of ONNX's."""

from __future__ import annotations

import enum
import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, BinaryIO

import numpy as np

import tensorgrad as tg
from tensorgrad.core import Tensor
from tensorgrad.io.container import write_all
from tensorgrad.io.files import writing
from tensorgrad.nn import Module
from tensorgrad.utils._pytree import tree_map_only

from . import layers, recurrent, reductions, shapes  # noqa: F401 - each declares its writers
from .graph import NUMBERS, Graph, OnnxExporterError
from .recording import record, tensors_in

FIRST, LAST, DEFAULT = 17, 20, 17  # opsets
Axes = Mapping[str, "Mapping[int, str] | Sequence[int]"]
Arguments = tuple[tuple, dict[str, Any]]  # by place and by name
_running: list[Module] = []  # the modules that are being exported


class TrainingMode(enum.IntEnum):
    """In what mode a module is exported: eval, the one that it is in, or training.

    >>> tg.onnx.TrainingMode.EVAL.name
    'EVAL'
    """

    EVAL = 0
    PRESERVE = 1
    TRAINING = 2


def export(
    model: Module,
    args: Any,
    f: str | os.PathLike | BinaryIO,
    *,
    kwargs: Mapping[str, Any] | None = None,
    export_params: bool = True,
    verbose: bool = False,
    training: TrainingMode = TrainingMode.EVAL,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    opset_version: int | None = None,
    do_constant_folding: bool = True,
    dynamic_axes: Axes | None = None,
    keep_initializers_as_inputs: bool = False,
    custom_opsets: Mapping[str, int] | None = None,
    export_modules_as_functions: bool = False,
    dynamo: bool = False,
) -> None:
    """Writes a module as an ONNX model, for onnxruntime and other programs that run such files.

    The module runs on `args`, a tensor or a tuple of arguments, and the ops that it calls on what comes from
    them are written. All else is a constant: numbers and branches of Python, and sizes such as `x.shape[0]`,
    of which `reshape` keeps those in front that do not change and lets the first that does follow from the
    rest. A second pass, on other numbers and with dynamic axes one longer, warns where it differs.
    `do_constant_folding` changes nothing: what depends on no argument is a constant.
    `dynamic_axes` names for an input or output the axes whose length may differ: `{"x": {0: "batch"}}` or
    `{"x": [0]}`; of an output that it does not name they are those that differ in the second pass. Parameters
    and buffers have the names of `state_dict`, but for those from which a constant was computed.

    `opset_version` is 17 to 20. The file is written whole or not at all. OnnxExporterError, a RuntimeError,
    names the op that can't be written and the module that called it. ModuleNotFoundError says what to
    install.

    Source: https://onnx.ai/onnx/operators.

    >>> tg.onnx.export(nn.Linear(2, 1), tg.ones(3, 2), "line.onnx", dynamo=True)
    Traceback (most recent call last):
    ...
    NotImplementedError: onnx.export: dynamo=True compiles a program, which is not in tensorgrad; leave it out
    """
    if dynamo:
        raise NotImplementedError(
            "onnx.export: dynamo=True compiles a program, which is not in tensorgrad; leave it out"
        )
    if not isinstance(model, Module):
        raise TypeError(f"onnx.export: the model must be a Module, not {type(model).__name__}")
    asked = {"export_params": not export_params, "custom_opsets": custom_opsets,
             "export_modules_as_functions": export_modules_as_functions}  # fmt: skip
    for word in (word for word, value in asked.items() if value):
        raise NotImplementedError(f"onnx.export: only the default of {word} can be written; leave it out")
    opset = DEFAULT if opset_version is None else opset_version
    if not isinstance(opset, int) or not FIRST <= opset <= LAST:
        raise ValueError(f"onnx.export: opset_version is {opset}, and {FIRST} to {LAST} can be written")
    given = args if isinstance(args, tuple) else (args,)
    words = dict(kwargs or {})
    if isinstance(args, tuple) and args and isinstance(args[-1], dict) and kwargs is None:
        given, words = args[:-1], dict(args[-1])
    # Copies, as a tensor may be given twice, be a parameter, or be written in place.
    first: Arguments = tree_map_only(Tensor, lambda tensor: tensor.detach().clone(), (given, words))
    inputs = list(tensors_in(first))
    if not inputs:
        raise ValueError("onnx.export: there is no tensor among the arguments")
    names = _names("input", inputs, input_names)
    onnx, axes = _onnx(), dynamic_axes or {}
    others = {id(tensor): _other(tensor, axes.get(name, ())) for tensor, name in zip(inputs, names)}
    second = tree_map_only(Tensor, lambda tensor: others[id(tensor)], first)
    was = [(module, module.training) for module in model.modules()]
    _running.append(model)
    try:
        if training is not TrainingMode.PRESERVE:
            model.train(training == TrainingMode.TRAINING)
        graph, outputs, ends = _graph(model, first, names, output_names, opset)
        grown = _compare(model, second, names, output_names, graph, outputs)
    finally:
        _running.pop()
        for module, mode in was:
            module.training = mode
    axes = {**dict(zip(ends, grown)), **axes}
    proto = _message(onnx, graph, inputs, names, outputs, ends, axes, keep_initializers_as_inputs)
    try:
        onnx.checker.check_model(proto, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise OnnxExporterError(f"onnx.export: what was written is not valid ONNX: {error}") from None
    if verbose:
        print(onnx.printer.to_text(proto))
    with writing(f) as file:
        write_all(file, proto.SerializeToString())


def is_in_onnx_export() -> bool:
    """Whether a module is being exported, of which its `forward` may ask.

    >>> tg.onnx.is_in_onnx_export()
    False
    """
    return bool(_running)


def _graph(
    model: Module, arguments: Arguments, names: list[str], output_names: Sequence[str] | None, opset: int
) -> tuple[Graph, list[Tensor], list[str]]:
    """The graph of one pass, its outputs and their names."""
    graph = Graph({**dict(model.named_parameters()), **dict(model.named_buffers())}, opset)
    for name in graph.taken.intersection([*names, *(output_names or ())]):
        raise ValueError(f"onnx.export: {name!r} is the name of a parameter or buffer; give another")
    for tensor, name in zip(tensors_in(arguments), names):
        graph.taken.add(name)
        graph.bind(tensor, name, tensor._version)
    with tg.no_grad():
        given, words = arguments
        calls, result = record(model, lambda: model(*given, **words))
    outputs = list(tensors_in(result))
    if not outputs:
        raise OnnxExporterError("onnx.export: the model gave no tensor")
    ends = _names("output", outputs, output_names)
    graph.taken.update(ends)
    for call in calls:
        graph.write(call)
    for tensor, name in zip(outputs, ends):
        graph.finish(tensor, name)
    return graph, outputs, ends


def _other(tensor: Tensor, axes: Iterable[int]) -> Tensor:
    """An input with other numbers, and one longer in some axes."""
    other = tensor.flip(tuple(range(tensor.ndim))) if tensor.ndim else tensor.clone()
    if tensor.is_floating_point():  # near the given ones, so that functions are defined there too
        other = 0.9 * tg.lerp(other, tensor, 0.25)
    for axis in axes:
        if -tensor.ndim <= axis < tensor.ndim and tensor.shape[axis]:
            other = tg.cat([other, other.narrow(axis, 0, 1)], axis)
    return other


def _compare(
    model: Module, arguments: Arguments, names: list[str], output_names: Sequence[str] | None, graph: Graph,
    outputs: list[Tensor],
) -> list[list[int]]:  # fmt: skip
    """Of each output the axes that have another length in a pass on other inputs; warns where that pass is
    another graph."""
    grown: list[list[int]] = [[] for _ in outputs]
    try:
        again, found, _ = _graph(model, arguments, names, output_names, graph.opset)
    except Exception as error:
        said = f"raises {type(error).__name__}: {error}"
    else:
        for axes, a, b in zip(grown, outputs, found):
            axes += [axis for axis, (old, new) in enumerate(zip(a.shape, b.shape)) if old != new]
        if (apart := graph.differs(again)) is None:
            return grown
        said = f"gives another graph, first in {apart}"
    warnings.warn(
        f"onnx.export: a pass on other numbers, with the dynamic axes one longer, {said}. The file is right "
        "for what is like the arguments; numbers and sizes that Python reads are constants in it",
        UserWarning,
        stacklevel=3,
    )
    return grown


def _onnx() -> Any:
    try:
        import onnx
        import onnx.checker
        import onnx.helper
        import onnx.numpy_helper
        import onnx.printer
        import onnx.shape_inference
    except ModuleNotFoundError as error:
        text = f"{error}; what onnx.export writes by comes with pip install 'tensorgrad-cpu[onnx]'"
        raise ModuleNotFoundError(text, name=error.name) from None
    return onnx


def _names(start: str, tensors: list[Tensor], given: Sequence[str] | None) -> list[str]:
    """The given names, and others for tensors that have none."""
    given = [] if given is None else list(given)
    if len(given) > len(tensors):
        raise ValueError(f"onnx.export: {len(given)} {start}_names for {len(tensors)} {start}s")
    names = given + [f"{start}_{i}" for i in range(len(given), len(tensors))]
    if len(set(names)) < len(names):
        raise ValueError(f"onnx.export: {start}_names has a name twice: {names}")
    return names


def _message(
    onnx: Any, graph: Graph, inputs: list[Tensor], names: list[str], outputs: list[Tensor], ends: list[str],
    axes: Axes, as_inputs: bool,
) -> Any:  # fmt: skip
    """The model as ONNX's message."""
    unknown = [name for name in axes if name not in (*names, *ends)]
    if unknown:
        raise ValueError(f"onnx.export: dynamic_axes names {unknown[0]!r}, and there are {[*names, *ends]}")
    helper = onnx.helper
    read = {name for node in graph.nodes for name in node.inputs}
    constants = {name: array for name, array in graph.constants.items() if name in read}
    starts = [_info(helper, name, tensor, axes) for name, tensor in zip(names, inputs)]
    if as_inputs:
        starts += [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
            for name, array in constants.items()
        ]
    written = helper.make_graph(
        [helper.make_node(each.kind, each.inputs, each.outputs, **each.attributes) for each in graph.nodes],
        "tensorgrad",
        starts,
        [_info(helper, name, tensor, axes) for name, tensor in zip(ends, outputs)],
        [onnx.numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name)
         for name, array in constants.items()],
    )  # fmt: skip
    model = helper.make_model(
        written, producer_name="tensorgrad", producer_version=tg.__version__,
        opset_imports=[helper.make_opsetid("", graph.opset)],
    )  # fmt: skip
    model.ir_version = 8 if graph.opset < 19 else 9
    return model


def _info(helper: Any, name: str, tensor: Tensor, axes: Axes) -> Any:
    """What a graph says of an input or output: its name, dtype and sizes, or names of these."""
    shape: list[Any] = list(tensor.shape)
    chosen = axes.get(name, {})
    titles = chosen if isinstance(chosen, Mapping) else {axis: f"{name}_{axis}" for axis in chosen}
    for axis, title in titles.items():
        if not -len(shape) <= axis < len(shape):
            raise ValueError(f"onnx.export: dynamic_axes names axis {axis} of {name!r} of {len(shape)} axes")
        shape[axis] = title
    return helper.make_tensor_value_info(name, NUMBERS[tensor.dtype], shape)
