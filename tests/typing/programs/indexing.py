"""Reading and writing by index, slices, masks, joining and cutting."""

import tensorgrad as tg

x = tg.arange(24).reshape(2, 3, 4)
print(x[0], x[..., -1], x[:, 1:, ::2], x[None, 0, None].shape, x[x > 5][:2], x[[0, 1], [2, 0]])
print(x[tg.tensor([1, 0])], x[0, 1, 2].item(), x[:, tg.tensor([True, False, True])].shape)
x[0, 0] = 0
x[x % 2 == 1] = tg.tensor(-1)
x[:, 1] += 10
first, second = x.unbind(0)
left, right = x.chunk(2, dim=-1)
a, b, c = x.split([1, 2, 1], dim=2)
print(first.add(second).shape, left.shape == right.shape, b.size(), b.size(-1), c.stride(0), a.shape[0])
print(tg.cat([a, b], dim=2).shape, tg.stack([first, second], 1).shape, tg.hstack([first, second]).shape)
rows, columns = tg.where(first > 3)
print(rows.tolist(), columns.tolist(), first.nonzero().shape, len(first.nonzero(as_tuple=True)))
print(
    tg.where(first > 0, first, 0), first.gather(1, tg.zeros(3, 1, dtype=tg.int64)),
    first.index_select(0, rows)
)
print(first.new_zeros(2).scatter_add_(0, tg.tensor([0, 1, 1]), tg.tensor([1, 2, 3])))
values, places = first.float().max(1)
print(values, places, first.float().max(1).values, first.max(), first.max(second), first.min(dim=0).indices)
ordered = tg.randn(5).sort(descending=True)
print(
    ordered.values, ordered.indices, *tg.randn(5).topk(2), tg.unique(first),
    tg.unique(first, return_counts=True)
)
grid_y, grid_x = tg.meshgrid(tg.arange(2), tg.arange(3), indexing="ij")
print(
    grid_y + grid_x, x.permute(2, 0, 1).contiguous().view(4, -1),
    x.flatten(1).squeeze().unsqueeze(0).expand(2, -1, -1)
)
for row in first:
    print(row.sum())
