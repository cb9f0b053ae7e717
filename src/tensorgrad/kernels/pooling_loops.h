/* The loops of pooling.c for one type: `element`, whose positions in a plane are counted in `place`, of its size. */

#define PASTE_(name, type) name##_##type
#define PASTE(name, type) PASTE_(name, type)
#define FN(name) PASTE(name, T)

/* ---- the largest */

/* Outputs one by one. */
static void FN(max_each)(const Row *row, const element *plane, int64_t from, int64_t to, element *out, int64_t *indices)
{
    const Window *axis = row->axis;
    for (int64_t j = from; j < to; j++) {
        Reach wide = reach_of(&axis[2], j);
        int64_t at = (row->deep.first * axis[1].extent + row->high.first) * axis[2].extent + wide.first;
        element best = -(element)INFINITY;
        for (int64_t d = row->deep.first; d < row->deep.end; d += axis[0].dilation) {
            for (int64_t h = row->high.first; h < row->high.end; h += axis[1].dilation) {
                int64_t base = (d * axis[1].extent + h) * axis[2].extent;
                for (int64_t w = wide.first; w < wide.end; w += axis[2].dilation) {
                    element value = plane[base + w];
                    if (value > best || value != value) {
                        best = value;
                        at = base + w;
                    }
                }
            }
        }
        out[j] = best;
        indices[j] = at;
    }
}

/* A block of outputs without padding, whose first window begins at `start` of its rows; what is behind the last that is wanted
   is read, and worth nothing. */
ALWAYS_INLINE void FN(max_block)(const Row *row, const element *plane, int64_t start, int64_t kernel, int64_t stride,
                                 int64_t dilation, int64_t taps, element *best, place *where)
{
    const Window *axis = row->axis;
    place first = (place)((row->deep.first * axis[1].extent + row->high.first) * axis[2].extent + start);
    for (int l = 0; l < PART; l++) {
        best[l] = -(element)INFINITY;
        where[l] = (place)(first + (place)(l * stride));
    }
    for (int64_t d = row->deep.first; d < row->deep.end; d += axis[0].dilation) {
        for (int64_t h = row->high.first; h < row->high.end; h += axis[1].dilation) {
            place base = (place)((d * axis[1].extent + h) * axis[2].extent + start);
            const element *x = plane + base;
            for (int64_t first_tap = 0; first_tap < kernel; first_tap += taps) {
                for (int l = 0; l < PART; l++) {
                    element largest = best[l];
                    place found = where[l];
                    for (int64_t k = first_tap; k < first_tap + taps; k++) {
                        element value = x[k * dilation + l * stride];
                        int better = (value > largest) | (value != value);
                        largest = better ? value : largest;
                        found = better ? (place)(base + (place)(k * dilation + l * stride)) : found;
                    }
                    best[l] = largest;
                    where[l] = found;
                }
            }
        }
    }
}

static void FN(max_row)(const Row *row, const element *plane, const element *end, element *out, int64_t *indices)
{
    const Window *wide = &row->axis[2];
    int64_t from = row->inner.first, to = row->inner.end, kernel = wide->kernel, stride = wide->stride;
    int64_t last = ((row->deep.end - 1) * row->axis[1].extent + row->high.end - 1) * wide->extent;
    int64_t needs = (PART - 1) * stride + (kernel - 1) * wide->dilation + 1;
    element best[PART];
    place where[PART];
    FN(max_each)(row, plane, 0, from, out, indices);
    for (int64_t j = from; j < to; j += PART) {
        if (to - j < PART && to - from >= PART) {
            j = to - PART;                              /* some of the block before, once more */
        }
        int64_t start = j * stride - wide->padding;
        if (plane + last + start + needs > end) {
            FN(max_each)(row, plane, j, to, out, indices);
            break;
        }
        if (kernel == 2 && stride == 2 && wide->dilation == 1) {
            FN(max_block)(row, plane, start, 2, 2, 1, 2, best, where);
        } else if (kernel == 3 && stride == 2 && wide->dilation == 1) {
            FN(max_block)(row, plane, start, 3, 2, 1, 3, best, where);
        } else if (kernel == 3 && stride == 1 && wide->dilation == 1) {
            FN(max_block)(row, plane, start, 3, 1, 1, 3, best, where);
        } else if (stride == 1) {
            FN(max_block)(row, plane, start, kernel, 1, wide->dilation, 1, best, where);
        } else {
            FN(max_block)(row, plane, start, kernel, stride, wide->dilation, 1, best, where);
        }
        int64_t count = to - j < PART ? to - j : PART;
        if (count == PART) {
            memcpy(out + j, best, sizeof best);
            for (int l = 0; l < PART; l++) {
                indices[j + l] = where[l];
            }
        } else {
            FN(store_part)(out + j, best, count);
            for (int64_t l = 0; l < count; l++) {
                indices[j + l] = where[l];
            }
        }
    }
    FN(max_each)(row, plane, to, wide->outputs, out, indices);
}

/* data = x, windows, largest, where they stand in their planes */
static void FN(max_pool)(const KernelArgs *a, int64_t from, int64_t to)
{
    Row row = {.axis = a->data[1], .inner = inner_of((const Window *)a->data[1] + 2)};
    const element *end = (const element *)a->data[0] + a->size[0] * a->size[3];
    for (int64_t u = from; u < to; u++) {
        const element *plane = (const element *)a->data[0] + u * a->size[3];
        element *out = (element *)a->data[2] + u * a->size[1];
        int64_t *indices = (int64_t *)a->data[3] + u * a->size[1];
        for (int64_t d = 0; d < row.axis[0].outputs; d++) {
            row.deep = reach_of(&row.axis[0], d);
            for (int64_t h = 0; h < row.axis[1].outputs; h++) {
                row.high = reach_of(&row.axis[1], h);
                FN(max_row)(&row, plane, end, out, indices);
                out += row.axis[2].outputs;
                indices += row.axis[2].outputs;
            }
        }
    }
}

/* data = g, indices, gradient of x, whether an index is not in its plane. Each index is read once: whoever else holds them may
   write there at any time. */
static void FN(max_pool_backward)(const KernelArgs *a, int64_t from, int64_t to)
{
    int64_t outputs = a->size[1], inputs = a->size[3];
    for (int64_t u = from; u < to; u++) {
        const element *g = (const element *)a->data[0] + u * outputs;
        const volatile int64_t *indices = (const int64_t *)a->data[1] + u * outputs;
        element *out = (element *)a->data[2] + u * inputs;
        int64_t wrong = 0;
        memset(out, 0, (size_t)inputs * sizeof(element));
        for (int64_t j = 0; j < outputs; j++) {
            int64_t at = indices[j];
            if ((uint64_t)at < (uint64_t)inputs) {
                out[at] += g[j];
            } else {
                wrong = 1;
            }
        }
        if (a->workspace) {
            ((int64_t *)a->workspace)[u] = wrong;
        } else {
            *(int64_t *)a->data[3] = wrong;
        }
    }
}

/* ---- means */

/* What a window's sum is divided by, given how many its row counts, and how many it reaches. */
ALWAYS_INLINE element FN(share)(const KernelArgs *a, const Row *row, Reach wide)
{
    if (a->integer[1]) {
        return (element)a->integer[1];
    }
    if (a->integer[0]) {
        return (element)(row->deep.counted * row->high.counted * wide.counted);
    }
    return (element)((row->deep.end - row->deep.first) * (row->high.end - row->high.first) * (wide.end - wide.first));
}

ALWAYS_INLINE int FN(reaches)(const Row *row, Reach wide)
{
    return row->deep.first < row->deep.end && row->high.first < row->high.end && wide.first < wide.end;
}

static void FN(avg_each)(const KernelArgs *a, const Row *row, const element *plane, int64_t from, int64_t to, element *out)
{
    const Window *axis = row->axis;
    for (int64_t j = from; j < to; j++) {
        Reach wide = reach_of(&axis[2], j);
        element sum = 0;
        for (int64_t d = row->deep.first; d < row->deep.end; d++) {
            for (int64_t h = row->high.first; h < row->high.end; h++) {
                const element *x = plane + (d * axis[1].extent + h) * axis[2].extent;
                for (int64_t w = wide.first; w < wide.end; w++) {
                    sum += x[w];
                }
            }
        }
        out[j] = FN(reaches)(row, wide) ? sum / FN(share)(a, row, wide) : 0;
    }
}

/* As max_block. */
ALWAYS_INLINE void FN(sum_block)(const Row *row, const element *plane, int64_t start, int64_t kernel, int64_t stride,
                                 int64_t taps, element *sum)
{
    const Window *axis = row->axis;
    for (int l = 0; l < PART; l++) {
        sum[l] = 0;
    }
    for (int64_t d = row->deep.first; d < row->deep.end; d++) {
        for (int64_t h = row->high.first; h < row->high.end; h++) {
            const element *x = plane + (d * axis[1].extent + h) * axis[2].extent + start;
            for (int64_t first = 0; first < kernel; first += taps) {
                for (int l = 0; l < PART; l++) {
                    element total = sum[l];
                    for (int64_t k = first; k < first + taps; k++) {
                        total += x[k + l * stride];
                    }
                    sum[l] = total;
                }
            }
        }
    }
}

static void FN(avg_row)(const KernelArgs *a, const Row *row, const element *plane, const element *end, element *out)
{
    const Window *wide = &row->axis[2];
    int64_t from = row->inner.first, to = row->inner.end, kernel = wide->kernel, stride = wide->stride;
    int64_t last = ((row->deep.end - 1) * row->axis[1].extent + row->high.end - 1) * wide->extent;
    int64_t needs = (PART - 1) * stride + kernel;
    Reach whole = {0, kernel, kernel};
    if (!FN(reaches)(row, whole)) {
        from = to;
    }
    element share = FN(share)(a, row, whole);
    element sum[PART];
    FN(avg_each)(a, row, plane, 0, from, out);
    for (int64_t j = from; j < to; j += PART) {
        if (to - j < PART && to - from >= PART) {
            j = to - PART;
        }
        int64_t start = j * stride - wide->padding;
        if (plane + last + start + needs > end) {
            FN(avg_each)(a, row, plane, j, to, out);
            break;
        }
        if (kernel == 2 && stride == 2) {
            FN(sum_block)(row, plane, start, 2, 2, 2, sum);
        } else if (kernel == 3 && stride == 2) {
            FN(sum_block)(row, plane, start, 3, 2, 3, sum);
        } else if (kernel == 3 && stride == 1) {
            FN(sum_block)(row, plane, start, 3, 1, 3, sum);
        } else if (stride == 1) {
            FN(sum_block)(row, plane, start, kernel, 1, 1, sum);
        } else {
            FN(sum_block)(row, plane, start, kernel, stride, 1, sum);
        }
        for (int l = 0; l < PART; l++) {
            sum[l] /= share;
        }
        FN(store_part)(out + j, sum, to - j < PART ? to - j : PART);
    }
    FN(avg_each)(a, row, plane, to, wide->outputs, out);
}

/* data = x, windows, means; integer = whether padding counts, what to divide by, or 0 */
static void FN(avg_pool)(const KernelArgs *a, int64_t from, int64_t to)
{
    Row row = {.axis = a->data[1], .inner = inner_of((const Window *)a->data[1] + 2)};
    const element *end = (const element *)a->data[0] + a->size[0] * a->size[3];
    for (int64_t u = from; u < to; u++) {
        const element *plane = (const element *)a->data[0] + u * a->size[3];
        element *out = (element *)a->data[2] + u * a->size[1];
        for (int64_t d = 0; d < row.axis[0].outputs; d++) {
            row.deep = reach_of(&row.axis[0], d);
            for (int64_t h = 0; h < row.axis[1].outputs; h++) {
                row.high = reach_of(&row.axis[1], h);
                FN(avg_row)(a, &row, plane, end, out);
                out += row.axis[2].outputs;
            }
        }
    }
}

/* Adds the shares of outputs that lie side by side to what their windows, which begin at `x`, reach of one row. */
ALWAYS_INLINE void FN(spread)(element *x, const element *shares, int64_t count, int64_t kernel, int64_t stride)
{
    if (stride >= kernel) {                 /* nothing is reached twice */
        INDEPENDENT
        for (int64_t j = 0; j < count; j++) {
            for (int64_t k = 0; k < kernel; k++) {
                x[j * stride + k] += shares[j];
            }
        }
        return;
    }
    for (int64_t k = 0; k < kernel; k++) {
        INDEPENDENT
        for (int64_t j = 0; j < count; j++) {
            x[j * stride + k] += shares[j];
        }
    }
}

static void FN(avg_row_back)(const KernelArgs *a, const Row *row, const element *g, element *plane)
{
    const Window *axis = row->axis;
    int64_t outputs = axis[2].outputs, kernel = axis[2].kernel, stride = axis[2].stride;
    element shares[MOST_SHARES];
    for (int64_t from = 0, to; from < outputs; from = to) {
        int inside = from >= row->inner.first && from < row->inner.end;
        Reach wide = inside ? (Reach){0, kernel, kernel} : reach_of(&axis[2], from);
        to = !inside ? from + 1 : row->inner.end - from < MOST_SHARES ? row->inner.end : from + MOST_SHARES;
        if (!FN(reaches)(row, wide)) {
            continue;
        }
        element share = FN(share)(a, row, wide);
        int64_t start = inside ? from * stride - axis[2].padding : wide.first;
        int64_t length = wide.end - wide.first;
        for (int64_t j = from; j < to; j++) {
            shares[j - from] = g[j] / share;
        }
        for (int64_t d = row->deep.first; d < row->deep.end; d++) {
            for (int64_t h = row->high.first; h < row->high.end; h++) {
                element *x = plane + (d * axis[1].extent + h) * axis[2].extent + start;
                if (!inside) {
                    FN(spread)(x, shares, 1, length, length);
                } else if (kernel == 2 && stride == 2) {
                    FN(spread)(x, shares, to - from, 2, 2);
                } else if (stride == 1) {
                    FN(spread)(x, shares, to - from, kernel, 1);
                } else if (stride == 2) {
                    FN(spread)(x, shares, to - from, kernel, 2);
                } else {
                    FN(spread)(x, shares, to - from, kernel, stride);
                }
            }
        }
    }
}

/* data = g, windows, gradient of x; integer as of avg_pool */
static void FN(avg_pool_backward)(const KernelArgs *a, int64_t from, int64_t to)
{
    Row row = {.axis = a->data[1], .inner = inner_of((const Window *)a->data[1] + 2)};
    for (int64_t u = from; u < to; u++) {
        const element *g = (const element *)a->data[0] + u * a->size[1];
        element *plane = (element *)a->data[2] + u * a->size[3];
        memset(plane, 0, (size_t)a->size[3] * sizeof(element));
        for (int64_t d = 0; d < row.axis[0].outputs; d++) {
            row.deep = reach_of(&row.axis[0], d);
            for (int64_t h = 0; h < row.axis[1].outputs; h++) {
                row.high = reach_of(&row.axis[1], h);
                FN(avg_row_back)(a, &row, g, plane);
                g += row.axis[2].outputs;
            }
        }
    }
}
