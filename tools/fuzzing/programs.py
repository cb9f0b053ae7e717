"""Programs of many lines: views, writes in place, indexing, dtypes, joins, gradients, custom Functions.

A program grows line by line under the reference, which tells the shapes there are; a line that it refuses is
mostly dropped, and now and then kept as the last.
"""

from __future__ import annotations

import contextlib
import random
import warnings

import numpy as np

from fuzzing import values
from fuzzing.running import Library, array_of, compiled, namespace


def table(text: str) -> list[str]:
    return [each.strip() for each in text.split(";")]


SMOOTH = table("exp; sin; cos; tanh; sigmoid; square; neg; atan; erf; expm1; sinh; asinh; log1p")
KINKED = table("""
    relu; abs; sign; floor; round; trunc; frac; sqrt; rsqrt; reciprocal; log; isnan; logical_not;
    softmax(-1); log_softmax(0); hardshrink; clamp(-1, 1); clamp(min=0)""")
BINARY = table("+; -; *; /; **; %; <; ==; >=; !=")
TWO = table("""
    maximum; minimum; fmax; where; atan2; hypot; fmod; logaddexp; copysign; lerp; xlogy; cat; stack;
    dot; matmul; outer; kron; mse_loss; cdist""")
ALONG = table("max; min; median; sort; cummax; mode")
SCANS = table("cumsum; cumprod; logcumsumexp; flip; logsumexp; argsort")
REDUCE = table("""
    sum; mean; amax; amin; prod; std; var; all; any; argmax; argmin; norm; count_nonzero; nansum""")
VIEWS = table("""
    view({split}); reshape({split}); permute({axes}); transpose({d}, {e}); unsqueeze({d}); squeeze();
    squeeze({d}); select({d}, {at}); narrow({d}, {zero_or_one}, {less}); diagonal(); diagonal(1);
    diagonal(-1); unfold({d}, 2, 1); expand(2, *{a}.shape); contiguous().flatten(); ravel(); unbind({d})[0];
    split(1, {d})[0]; chunk(2, {d})[-1]; movedim(0, {d}); swapaxes(0, {d});
    contiguous().as_strided(({some}, 2), (1, 1)); contiguous().as_strided(({n},), (1,)); t(); view(-1); mT; T;
    tensor_split(2, {d})[0]; view_as({b}); unflatten(0, (1, -1)); adjoint()""")
WRITES = table("""
    add_({b}); sub_({b}); mul_({b}); div_({b}); copy_({b}); zero_(); fill_({x}); neg_(); relu_();
    exp_(); tanh_(); clamp_(-1, 1); clamp_(min={x}); abs_(); sigmoid_(); sqrt_(); pow_(2);
    masked_fill_({mask}, {x}); t_(); unsqueeze_(0); squeeze_(); transpose_(0, -1); mul_(2); add_({x});
    addcmul_({b}, {c}); lerp_({b}, 0.5); index_fill_(0, {rows}, {x}); index_add_(0, {rows}, {b});
    cumsum_(0); scatter_(0, {zeros}, {x}); index_copy_(0, {rows}, {b}); masked_scatter_({mask}, {b});
    triu_(); detach_(); addmm_({b}.clone(), {c}.clone()); floor_(); round_(); requires_grad_();
    clamp_min_({b}); square_(); reciprocal_(); put_({zeros}, {b});
    swapaxes_(0, 1); random_(5); uniform_(); normal_(); erfinv_(); scatter_add_(0, {zeros}, {b})""")
RESHAPES = table("t_(; unsqueeze_(; squeeze_(; transpose_(; swapaxes_(")
TO = table("""
    float(); double(); int(); long(); bool(); half(); to(T.int8); to(T.uint8); type_as({b});
    contiguous(); clone(); detach(); data; to(T.float64); requires_grad_(); numel(); tolist();
    storage_offset(); is_leaf; detach().numpy().copy()""")
HOOKS = table("{a}.register_hook(lambda g: g * 2); {a}.retain_grad(); {a}.grad = None")


def overlaps_itself(array: np.ndarray) -> bool:
    """Whether two elements lie at one address."""
    places = np.zeros((), dtype=np.int64)
    for size, stride in zip(array.shape, array.strides, strict=True):
        places = places[..., None] + np.arange(size) * stride
    return np.unique(places).size < array.size


class Program:
    """One program in the making."""

    def __init__(self, rng: random.Random, reference: Library):
        self.rng, self.reference = rng, reference
        self.dtype = rng.choice(("float32", "float64"))
        self.style = rng.choice(("short", "short", "plain"))
        self.lines: list[str] = []
        self.count = 0

    # What there is.
    def tensors(self, floating: bool = False) -> list[str]:
        T = self.reference.module
        return [
            n
            for n, v in self.space.items()
            if isinstance(v, T.Tensor) and (not floating or v.is_floating_point())
        ]

    def recorded(self, leaf: bool = False) -> list[str]:
        """The tensors that need a gradient; a view that PyTorch forbids to look at is left out."""
        names = []
        for name in self.tensors():
            with contextlib.suppress(RuntimeError):
                if self.space[name].requires_grad and (self.space[name].is_leaf or not leaf):
                    names.append(name)
        return names

    def any(self, floating: bool = False) -> str:
        names = self.tensors(floating) or self.tensors()
        return self.rng.choice(names[-5:] if self.rng.random() < 0.6 else names)

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self.space[name].shape)

    def new(self) -> str:
        self.count += 1
        return f"v{self.count}"

    def dim(self, name: str) -> int:
        ndim = max(len(self.shape(name)), 1)
        return self.rng.randrange(-ndim, ndim)

    def number(self) -> str:
        return self.rng.choice(
            ("2", "-1", "0.5", "3", "0", "-0.25", "1.5", "nan" if self.rng.random() < 0.05 else "1")
        )

    def target(self) -> str:
        """A tensor to write to, whose elements lie apart: PyTorch writes shared ones several times."""
        names = [n for n in self.tensors(floating=True) if not overlaps_itself(array_of(self.space[n]))]
        return self.rng.choice(names[-5:] or self.tensors())

    def operand(self, target: str) -> str:
        """A tensor to write from, which PyTorch does not protect from being written to before it is read."""
        name = self.any()
        arrays = (array_of(self.space[n]) for n in (name, target))
        return f"{name}.clone()" if np.may_share_memory(*arrays) else name

    # Lines.
    def leaf(self) -> str:
        rng = self.rng
        dtype = self.dtype if rng.random() < 0.8 else rng.choice(values.DTYPES)
        shape = values.shape(rng) if not self.lines or rng.random() < 0.4 else self.shape(self.any())
        if rng.random() < 0.2:
            shape = shape[1:]
        text = values.tensor(rng, shape, dtype, self.style, requires_grad=rng.random() < 0.75)
        return f"{self.new()} = {text}"

    def pointwise(self) -> str:
        rng, a = self.rng, self.any(floating=True)
        op = rng.choice(SMOOTH) if rng.random() < 0.6 else rng.choice(KINKED)
        return f"{self.new()} = {a}.{op}" + ("" if "(" in op else "()")

    def binary(self) -> str:
        rng = self.rng
        a, b = self.any(), self.any() if rng.random() < 0.7 else self.number()
        if rng.random() < 0.2:
            a, b = b, a
        return f"{self.new()} = {a} {rng.choice(BINARY[:4] if rng.random() < 0.7 else BINARY)} {b}"

    def two(self) -> str:
        op, a, b = self.rng.choice(TWO), self.any(True), self.any(True)
        forms = {"where": f"T.where({a} > 0, {a}, {b})", "lerp": f"T.lerp({a}, {b}, 0.5)",
                 "cat": f"T.cat([{a}, {b}], {self.dim(a)})", "stack": f"T.stack([{a}, {b}], {self.dim(a)})",
                 "mse_loss": f"F.mse_loss({a}, {b})"}  # fmt: skip
        return f"{self.new()} = " + forms.get(op, f"T.{op}({a}, {b})")

    def reduce(self) -> str:
        rng, a, name = self.rng, self.any(), self.new()
        dim, kind = self.dim(a), rng.random()
        if kind < 0.35:
            return f"{name} = {a}.{rng.choice(ALONG)}({dim})[{rng.choice((0, 0, 1))}]"
        if kind < 0.5:
            return f"{name} = {a}.{rng.choice(SCANS)}({dim})"
        op = rng.choice(REDUCE)
        if op == "norm":
            return f"{name} = {a}.norm({rng.choice(('', '1', '2', 'inf', '0', '3'))})"
        keep = ", keepdim=True" if rng.random() < 0.3 and op != "count_nonzero" else ""
        return f"{name} = {a}.{op}(" + (")" if rng.random() < 0.3 else f"{dim}{keep})")

    def view(self) -> str:
        rng, a = self.rng, self.any()
        shape, dim = self.shape(a), self.dim(a)
        n, size = values.count(shape), shape[dim] if shape else 1
        axes = rng.sample(range(len(shape)), len(shape))
        form = rng.choice(VIEWS).format(
            split=rng.choice([f"({d}, -1)" for d in (1, 2, 3, 4) if n and n % d == 0] or ["-1"]),
            axes=tuple(axes),
            d=dim, e=self.dim(a), at=rng.randrange(-size, size) if size else 0, less=max(size - 1, 0), n=n,
            zero_or_one=rng.randrange(2), some=max(n - 1, 0), a=a, b=self.any(),
        )  # fmt: skip
        return f"{self.new()} = {a}.{form}"

    def index(self, a: str) -> str:
        """What may stand between the brackets behind ``a``."""
        rng, parts = self.rng, []
        for size in self.shape(a):
            kind = rng.random()
            if kind < 0.3:
                parts.append(rng.choice((":", "1:", ":-1", "::2", ":1")))
            elif kind < 0.6 and size:
                parts.append(str(rng.randrange(-size, size)))
            elif kind < 0.75 and size:
                parts.append(str([rng.randrange(-size, size) for _ in range(rng.choice((1, 2, 3)))]))
            elif kind < 0.8:
                parts.append("None")
            elif kind < 0.85:
                parts.append("...")
                break
            elif kind < 0.9 and size:
                parts.append(f"T.tensor({[[rng.randrange(size)] for _ in range(2)]})")
            else:
                break
        if not parts or rng.random() < 0.12:
            return rng.choice((f"{a} > 0", "...", "None", f"{a} != {a}", "True", "..., 0", "()"))
        return ", ".join(parts)

    def indexed(self) -> str:
        a = self.any()
        return f"{self.new()} = {a}[{self.index(a)}]"

    def write(self) -> str:
        rng, a = self.rng, self.target()
        if rng.random() < 0.3:
            value = self.operand(a) if rng.random() < 0.6 else self.number()
            line = f"{a}[{self.index(a)}] {rng.choice(('=', '=', '+=', '*=', '-='))} {value}"
        elif rng.random() < 0.15:
            value = self.operand(a) if rng.random() < 0.6 else self.number()
            line = f"{a} {rng.choice(('+=', '*=', '-=', '/='))} {value}"
        else:
            size = max((self.shape(a) or (1,))[0], 1)
            rows = [rng.randrange(size) for _ in range(rng.choice((1, 2)))]
            form = rng.choice(WRITES).format(
                b=self.operand(a), c=self.operand(a), x=self.number(), mask=f"{a} > 0",
                rows=f"T.tensor({rows})",
                zeros=f"{a}.long() * 0",
            )  # fmt: skip
            line = f"{a}.{form}"
        kind = rng.random()
        if kind < 0.15 and not any(word in line for word in RESHAPES):
            return f"with T.no_grad(): {line}"
        return line.replace(a, f"{a}.data", 1) if kind < 0.2 and line[len(a)] in ".[" else line

    def convert(self) -> str:
        return f"{self.new()} = {self.any()}.{self.rng.choice(TO).format(b=self.any())}"

    def function(self) -> str:
        return f"{self.new()} = {self.rng.choice(('Double', 'Dirty', 'Flat'))}.apply({self.any(True)})"

    def hook(self) -> str:
        return self.rng.choice(HOOKS).format(a=self.any(True))

    def backward(self) -> str:
        rng = self.rng
        recorded = self.recorded() or self.tensors()
        a = rng.choice(recorded[-4:])
        leaves = self.recorded(leaf=True) or recorded[:1]
        if rng.random() < 0.35:
            return f"total({a}).backward({rng.choice(('', 'retain_graph=True', 'create_graph=True'))})"
        wanted = (
            rng.sample(leaves, min(len(leaves), rng.choice((1, 2))))
            if rng.random() < 0.8
            else [rng.choice(recorded)]
        )
        more = rng.choice((", create_graph=True", ", create_graph=True", ", retain_graph=True", ""))
        name = self.new()
        return f"{name}, *_ = T.autograd.grad(total({a}), [{', '.join(wanted)}], allow_unused=True{more})"

    KINDS = {
        "leaf": 2, "pointwise": 4, "binary": 4, "two": 3, "reduce": 3, "view": 6, "indexed": 3, "write": 6,
        "convert": 2, "function": 1, "hook": 0.6, "backward": 2,
    }  # fmt: skip

    def write_all(self) -> list[str]:
        """The lines of a whole program."""
        rng = self.rng
        self.space = namespace(self.reference, ["total Double Dirty Flat"])
        length = rng.randrange(4, 22)
        with warnings.catch_warnings(), self.reference.enter():
            warnings.simplefilter("ignore")
            self.reference.module.manual_seed(0)
            for _ in range(3 * length):
                kind = "leaf" if not self.lines else rng.choices(list(self.KINDS), self.KINDS.values())[0]
                line = getattr(self, kind)()
                if any(self.space[n].numel() > 2000 for n in self.tensors()):
                    break
                try:
                    exec(compiled(line), self.space)
                except Exception:
                    if rng.random() < 0.06:
                        self.lines.append(line)
                        break
                    continue
                self.lines.append(line)
                if len(self.lines) >= length:
                    break
            ends = self.recorded()
            if ends and rng.random() < 0.7:
                self.lines.append(f"total([{', '.join(ends[-3:])}]).backward()")
        return self.lines
