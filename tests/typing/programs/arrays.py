"""NumPy on both sides."""

import numpy as np
import numpy.typing as npt

import tensorgrad as tg


def standardized(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    x = tg.from_numpy(values)
    x = (x - x.mean(0)) / x.std(0, unbiased=False).clamp(min=1e-6)
    return np.asarray(x.numpy(), np.float32)


array = np.arange(6, dtype=np.float32).reshape(3, 2)
print(standardized(array).mean())
shared = tg.as_tensor(array)
shared[0] = 7
print(array[0, 0], tg.tensor(array.tolist()).dtype, np.array(shared).shape, np.asarray(shared).dtype)
weights = np.float32(0.5) * tg.ones(3).numpy()
total = tg.tensor(weights) * np.float64(2.0) + np.float32(1)
print(float(total.sum()), int(total.argmax()), bool((total > 0).all()), len(total), list(total))
values = [v.item() for v in total.unbind()]
print(
    np.mean(values),
    tg.tensor(np.random.default_rng(0).normal(size=3), dtype=tg.float32).detach().cpu().numpy()
)
