/* A recurrent layer in one direction over a whole sequence, and its way back; recurrent.c and recurrent_f64.c include this,
 * each with the size of its type in ELEMENT_BYTES.
 *
 * Rows are packed: those of step 0, then those of step 1; `sizes` says how many each step has, which never grows. What the
 * input gives to the gates is there for all of them. A unit of work is a few sequences: they go through all steps with no
 * regard to others. The product with the state and the curves of the gates take turns, a block of hidden units at a time, so
 * that sums never leave the first cache.
 */
#ifndef TENSORGRAD_RECURRENT_H
#define TENSORGRAD_RECURRENT_H

#include <string.h>

#include "activations.h"
#include "entries.h"
#include "math64.h"
#include "pool.h"

#if ELEMENT_BYTES == 4
typedef float element;
#define GRANULE 16      /* hidden units whose curves are computed together */
#define SIGMOID sigmoid32
#define TANH tanh32
#else
typedef double element;
#define GRANULE 1
#define SIGMOID sigmoid64
#define TANH tanh
#endif

#include "gemm_packed.h"

enum { LSTM, GRU, RNN };

#define GATES(kind) ((kind) == LSTM ? 4 : (kind) == GRU ? 3 : 1)
#define KEPT(kind) ((kind) == LSTM ? 7 : (kind) == GRU ? 5 : 2)     /* numbers of a hidden unit that the way back needs */
#define MOST_ROWS 14                    /* of a tile, at any level */
#define BLOCK 32                        /* hidden units of a block, of a layer with several gates; four times that with one */
#define BLOCK_SUMS 128
#define UNPACKED 8                      /* rows of all steps for which packing the weight does not pay */
#define PADDING (64 / ELEMENT_BYTES)    /* between rows that are a multiple of 4 KiB apart */

/* Sequences of a unit. */
static int64_t rows_of_unit(const KernelArgs *a)
{
    int64_t rows = divide_up(a->size[0], 16) * 4;
    return rows < 4 ? 4 : rows > 16 ? 16 : rows;
}

static int64_t units_of_rows(const KernelArgs *a)
{
    return divide_up(a->size[0], rows_of_unit(a));
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* The sequences of a piece, and its way along the steps. */
typedef struct Walk {
    int64_t first, end;         /* sequences */
    int64_t steps, left;        /* steps that there are, and those still to go */
    const int64_t *sizes;
    int64_t at;                 /* the row where the present step begins, before it is taken; after it when going back */
    int backwards;
    int64_t row, rows;          /* of the present step: my first row, and how many are mine */
} Walk;

/* A table that does not fit the rows is followed as far as it does. */
static Walk begin_walk(const KernelArgs *a, int64_t from, int64_t to, const int64_t *sizes, int backwards)
{
    int64_t each = rows_of_unit(a);
    Walk w = {from * each, smaller(to * each, a->size[0]), 0, 0, sizes, 0, backwards, 0, 0};
    int64_t before = a->size[0], rows = 0;
    while (w.steps < a->size[2] && sizes[w.steps] >= 0 && sizes[w.steps] <= before && rows + sizes[w.steps] <= a->integer[0]) {
        before = sizes[w.steps++];
        rows += before;
    }
    w.left = w.steps;
    w.at = backwards ? rows : 0;
    return w;
}

/* Takes a step; 0 when there is none left. */
static int next_step(Walk *w)
{
    if (w->left == 0) {
        return 0;
    }
    int64_t size = w->sizes[w->backwards ? w->left - 1 : w->steps - w->left];
    w->left--;
    w->at -= w->backwards ? size : 0;
    w->row = w->at + w->first;
    w->rows = smaller(size, w->end) - w->first;
    w->at += w->backwards ? 0 : size;
    return 1;
}

/* Rows cut into tiles of nearly equal height. */
#define EACH_TILE(i, height, rows)                                                                                     \
    for (int64_t i = 0, most_ = GEMM_FACE(packed_rows)(), tiles_ = divide_up(rows, most_), t_ = 0, height = 0;         \
         t_ < tiles_ && (height = (rows) / tiles_ + (t_ < (rows) % tiles_)); i += height, t_++)

/* A granule of a row after a step: `x` and `s` are what the input and the state give to each gate, the gates `step` apart. */
typedef struct Forward {
    const element *x, *s, *bias;
    int64_t x_step, s_step, bias_step;
    const element *before;      /* the state, of a GRU */
    element *cell, *output, *kept;
    int64_t kept_step;
    int rectified;
} Forward;

ALWAYS_INLINE void curve(const Forward *f, const int kind)
{
    const element *x = f->x, *s = f->s, *bias = f->bias, *before = f->before;
    element *cell = f->cell, *output = f->output, *kept = f->kept;
    int64_t xs = f->x_step, ss = f->s_step, bs = f->bias_step, ks = f->kept_step;
    INDEPENDENT
    for (int l = 0; l < GRANULE; l++) {
        if (kind == LSTM) {
            element in = SIGMOID(x[l] + s[l]);
            element forget = SIGMOID(x[xs + l] + s[ss + l]);
            element new = TANH(x[2 * xs + l] + s[2 * ss + l]);
            element out = SIGMOID(x[3 * xs + l] + s[3 * ss + l]);
            element old = cell[l];
            element c = forget * old + in * new;
            element curved = TANH(c);
            cell[l] = c;
            output[l] = out * curved;
            kept[l] = in;
            kept[ks + l] = forget;
            kept[2 * ks + l] = new;
            kept[3 * ks + l] = out;
            kept[4 * ks + l] = curved;
            kept[5 * ks + l] = old;
        } else if (kind == GRU) {
            element reset = SIGMOID(x[l] + (s[l] + bias[l]));
            element update = SIGMOID(x[xs + l] + (s[ss + l] + bias[bs + l]));
            element seen = s[2 * ss + l] + bias[2 * bs + l];
            element new = TANH(x[2 * xs + l] + reset * seen);
            output[l] = new + update * (before[l] - new);
            kept[l] = reset;
            kept[ks + l] = update;
            kept[2 * ks + l] = new;
            kept[3 * ks + l] = seen;
        } else {
            element sum = x[l] + s[l];
            element y = f->rectified ? (sum < 0 ? 0 : sum) : TANH(sum);
            output[l] = y;
            kept[l] = y;
        }
    }
}

/* Copies `count` elements of several lines. */
ALWAYS_INLINE void copy_lines(element *to, int64_t to_step, const element *from, int64_t from_step, int lines, int64_t count)
{
    for (int i = 0; i < lines; i++) {
        for (int64_t l = 0; l < count; l++) {
            to[i * to_step + l] = from[i * from_step + l];
        }
    }
}

/* `count` hidden units of a row, the last few in a granule of their own. */
ALWAYS_INLINE void curve_row(Forward f, int64_t count, const int kind)
{
    static const element none[3 * GRANULE] = {0};
    element spare[KEPT(LSTM) * GRANULE];
    int has_bias = f.bias != NULL, keeps = f.kept != NULL;
    if (!has_bias) {
        f.bias = none;
        f.bias_step = GRANULE;
    }
    if (!keeps) {
        f.kept = spare;
        f.kept_step = GRANULE;
    }
    for (; count >= GRANULE; count -= GRANULE) {
        curve(&f, kind);
        f.x += GRANULE;
        f.s += GRANULE;
        f.bias += has_bias ? GRANULE : 0;
        f.before += kind == GRU ? GRANULE : 0;
        f.cell += kind == LSTM ? GRANULE : 0;
        f.output += GRANULE;
        f.kept += keeps ? GRANULE : 0;
    }
    if (count == 0) {
        return;
    }
    const int gates = GATES(kind), last = KEPT(kind) - 1;
    element x[4 * GRANULE] = {0}, s[4 * GRANULE] = {0}, bias[3 * GRANULE] = {0}, state[GRANULE] = {0}, output[GRANULE];
    copy_lines(x, GRANULE, f.x, f.x_step, gates, count);
    copy_lines(s, GRANULE, f.s, f.s_step, gates, count);
    if (kind == GRU) {
        copy_lines(bias, GRANULE, f.bias, f.bias_step, gates, count);
        copy_lines(state, GRANULE, f.before, 0, 1, count);
    } else if (kind == LSTM) {
        copy_lines(state, GRANULE, f.cell, 0, 1, count);
    }
    Forward part = {x, s, bias, GRANULE, GRANULE, GRANULE, state, state, output, spare, GRANULE, f.rectified};
    curve(&part, kind);
    copy_lines(f.output, 0, output, 0, 1, count);
    if (kind == LSTM) {
        copy_lines(f.cell, 0, state, 0, 1, count);
    }
    if (keeps) {
        copy_lines(f.kept, f.kept_step, spare, GRANULE, last, count);
    }
}

/* data = what the input gives to the gates, the weight of the state, the state (which goes with it), sizes; of an LSTM the cell,
   which goes with it too, of a GRU the bias beside the weight, or NULL; the state after every step, and what is kept or NULL;
   integer = rows, whether from the last step to the first, and of one gate whether it is max(0, x) and not tanh. */
ALWAYS_INLINE void forward(const KernelArgs *a, int64_t from, int64_t to, const int kind)
{
    const int gates = GATES(kind), kept_lines = KEPT(kind), out = kind == RNN ? 4 : 5;
    const int64_t units = a->size[1], wide = kind == RNN ? 4 * BLOCK : BLOCK;
    const element *weight = a->data[1];
    element *state = a->data[2];
    element *sums, on_stack[MOST_ROWS * BLOCK_SUMS], *packed = NULL;
    int64_t state_step = units, blocks = divide_up(units, wide), sums_step = gates * wide;
    int64_t block_size = GEMM_FACE(packed_size)(gates * wide, units);
    Walk w = begin_walk(a, from, to, a->data[3], (int)a->integer[1]);
    int64_t mine = w.end - w.first;
    sums = on_stack;
    if (a->integer[0] > UNPACKED) {
        int64_t step = units + PADDING;
        packed = pool_scratch((size_t)(blocks * block_size + mine * step) * sizeof(element));
        if (packed) {
            state = packed + blocks * block_size - w.first * step;
            state_step = step;
            for (int64_t r = w.first; r < w.end; r++) {
                memcpy(state + r * step, (element *)a->data[2] + r * units, (size_t)units * sizeof(element));
            }
            for (int64_t b = 0; b < blocks; b++) {
                int64_t width = smaller(wide, units - b * wide);
                Packed p = {NULL, gates * width, units, 0, 0};
                for (int gate = 0; gate < gates; gate++) {
                    const element *lines = weight + (gate * units + b * wide) * units;
                    GEMM_FACE(pack_lines)(&p, packed + b * block_size, gate * width, lines, units, width);
                }
            }
        }
    }
    while (next_step(&w)) {
        if (w.rows <= 0) {
            continue;
        }
        const element *x = (const element *)a->data[0] + w.row * gates * units;
        element *output = (element *)a->data[out] + w.row * units;
        element *kept = a->data[out + 1] ? (element *)a->data[out + 1] + w.row * kept_lines * units : NULL;
        element *mine_state = state + w.first * state_step;
        for (int64_t b = 0; b < blocks; b++) {
            int64_t first = b * wide, width = smaller(wide, units - first);
            Packed p = {packed + b * block_size, gates * width, units, GEMM_FACE(packed_columns)(), 0};
            p.panel = p.step * units;
            EACH_TILE(i, height, w.rows)
            {
                if (packed) {
                    GEMM_FACE(multiply_packed)(&p, height, mine_state + i * state_step, state_step, sums, sums_step, 0);
                }
                for (int gate = 0; !packed && gate < gates; gate++) {
                    GEMM_FACE(multiply_unpacked)(height, width, units, mine_state + i * state_step, state_step,
                                                 weight + (gate * units + first) * units, 1, units, sums + gate * width,
                                                 sums_step, 0);
                }
                for (int64_t r = i; r < i + height; r++) {
                    Forward f = {x + r * gates * units + first, sums + (r - i) * sums_step, NULL, units, width, units,
                                 mine_state + r * state_step + first, NULL, output + r * units + first,
                                 kept ? kept + r * kept_lines * units + first : NULL, units, (int)a->integer[2]};
                    if (kind == LSTM) {
                        f.cell = (element *)a->data[4] + (w.first + r) * units + first;
                    } else if (kind == GRU && a->data[4]) {
                        f.bias = (const element *)a->data[4] + first;
                    }
                    curve_row(f, width, kind);
                }
            }
        }
        for (int64_t r = 0; r < w.rows; r++) {
            element *row = mine_state + r * state_step;
            if (kept) {
                memcpy(kept + (r * kept_lines + kept_lines - 1) * units, row, (size_t)units * sizeof(element));
            }
            memcpy(row, output + r * units, (size_t)units * sizeof(element));
        }
    }
    for (int64_t r = w.first; packed && r < w.end; r++) {
        memcpy((element *)a->data[2] + r * units, state + r * state_step, (size_t)units * sizeof(element));
    }
}

/* A granule of a row before a step: from the gradients of the outputs and of the state to those of the gates. */
typedef struct Back {
    const element *grad;
    element *of_state, *of_cell;
    const element *kept;
    int64_t kept_step;
    element *gates, *recurrent;     /* gradients of what input and state give to the gates, of which a GRU has two */
    int64_t gates_step;
    int rectified;
} Back;

ALWAYS_INLINE void uncurve(const Back *b, const int kind)
{
    const element *grad = b->grad, *kept = b->kept;
    element *of_state = b->of_state, *of_cell = b->of_cell, *gates = b->gates, *recurrent = b->recurrent;
    int64_t ks = b->kept_step, gs = b->gates_step;
    INDEPENDENT
    for (int l = 0; l < GRANULE; l++) {
        element h = of_state[l] + grad[l];
        if (kind == LSTM) {
            element in = kept[l], forget = kept[ks + l], new = kept[2 * ks + l], out = kept[3 * ks + l];
            element curved = kept[4 * ks + l], old = kept[5 * ks + l];
            element c = of_cell[l] + h * out * (1 - curved * curved);
            gates[l] = c * new * in * (1 - in);
            gates[gs + l] = c * old * forget * (1 - forget);
            gates[2 * gs + l] = c * in * (1 - new * new);
            gates[3 * gs + l] = h * curved * out * (1 - out);
            of_cell[l] = c * forget;
        } else if (kind == GRU) {
            element reset = kept[l], update = kept[ks + l], new = kept[2 * ks + l], seen = kept[3 * ks + l];
            element old = kept[4 * ks + l];
            element of_new = h * (1 - update) * (1 - new * new);
            element of_reset = of_new * seen * reset * (1 - reset);
            element of_update = h * (old - new) * update * (1 - update);
            gates[l] = of_reset;
            gates[gs + l] = of_update;
            gates[2 * gs + l] = of_new;
            recurrent[l] = of_reset;
            recurrent[gs + l] = of_update;
            recurrent[2 * gs + l] = of_new * reset;
            of_state[l] = h * update;
        } else {
            element after = kept[l];
            gates[l] = h * (b->rectified ? (after > 0 ? (element)1 : (element)0) : 1 - after * after);
        }
    }
}

ALWAYS_INLINE void uncurve_row(Back b, int64_t count, const int kind)
{
    const int gates = GATES(kind), lines = KEPT(kind);
    for (; count >= GRANULE; count -= GRANULE) {
        uncurve(&b, kind);
        b.grad += GRANULE;
        b.of_state += GRANULE;
        b.of_cell += kind == LSTM ? GRANULE : 0;
        b.kept += GRANULE;
        b.gates += GRANULE;
        b.recurrent += kind == GRU ? GRANULE : 0;
    }
    if (count == 0) {
        return;
    }
    element grad[GRANULE] = {0}, of_state[GRANULE] = {0}, of_cell[GRANULE] = {0}, kept[KEPT(LSTM) * GRANULE] = {0};
    element found[4 * GRANULE], recurrent[3 * GRANULE];
    copy_lines(grad, 0, b.grad, 0, 1, count);
    copy_lines(of_state, 0, b.of_state, 0, 1, count);
    copy_lines(kept, GRANULE, b.kept, b.kept_step, lines, count);
    if (kind == LSTM) {
        copy_lines(of_cell, 0, b.of_cell, 0, 1, count);
    }
    Back part = {grad, of_state, of_cell, kept, GRANULE, found, recurrent, GRANULE, b.rectified};
    uncurve(&part, kind);
    copy_lines(b.gates, b.gates_step, found, GRANULE, gates, count);
    if (kind == LSTM) {
        copy_lines(b.of_cell, 0, of_cell, 0, 1, count);
    } else if (kind == GRU) {
        copy_lines(b.of_state, 0, of_state, 0, 1, count);
        copy_lines(b.recurrent, b.gates_step, recurrent, GRANULE, gates, count);
    }
}

/* data = the gradient of the state after every step, the weight, the gradient of the last state, which becomes that of the first,
   sizes, what forward() kept, of an LSTM the gradient of the cell, which goes along; the gradients of what the input gives to the
   gates, and of a GRU of what the state gives to them. */
ALWAYS_INLINE void back(const KernelArgs *a, int64_t from, int64_t to, const int kind)
{
    const int gates = GATES(kind), kept_lines = KEPT(kind), out = kind == LSTM ? 6 : 5;
    const int64_t units = a->size[1], depth = gates * units, width = 4 * GEMM_FACE(packed_columns)();
    const int accumulate = kind == GRU, crowded = depth * ELEMENT_BYTES % 4096 == 0;
    int64_t copy_step = depth + PADDING;
    int64_t packed_size = GEMM_FACE(packed_size)(units, depth);
    Walk w = begin_walk(a, from, to, a->data[3], !a->integer[1]);
    int64_t copied = crowded ? (w.end - w.first) * copy_step : 0;
    Packed whole = {NULL, units, depth, 0, 0};
    element *memory = NULL;
    if (a->integer[0] > UNPACKED) {
        memory = pool_scratch((size_t)(packed_size + copied) * sizeof(element));
    }
    if (memory) {
        GEMM_FACE(pack_matrix)(&whole, memory, a->data[1], units, a->size[2] == 1);
    }
    while (next_step(&w)) {
        if (w.rows <= 0) {
            continue;
        }
        element *of_state = (element *)a->data[2] + w.first * units;
        element *found = (element *)a->data[out] + w.row * depth;
        element *seen = kind == GRU ? (element *)a->data[out + 1] + w.row * depth : found;
        for (int64_t r = 0; r < w.rows; r++) {
            Back b = {(const element *)a->data[0] + (w.row + r) * units, of_state + r * units, NULL,
                      (const element *)a->data[4] + (w.row + r) * kept_lines * units, units, found + r * depth,
                      kind == GRU ? seen + r * depth : NULL, units, (int)a->integer[2]};
            if (kind == LSTM) {
                b.of_cell = (element *)a->data[5] + (w.first + r) * units;
            }
            uncurve_row(b, units, kind);
        }
        if (!memory) {
            GEMM_FACE(multiply_unpacked)(w.rows, units, depth, seen, depth, a->data[1], units, 1, of_state, units, accumulate);
            continue;
        }
        const element *rows = seen;
        int64_t rows_step = depth;
        if (crowded) {
            for (int64_t r = 0; r < w.rows; r++) {
                memcpy(memory + packed_size + r * copy_step, seen + r * depth, (size_t)depth * sizeof(element));
            }
            rows = memory + packed_size;
            rows_step = copy_step;
        }
        for (int64_t first = 0; first < units; first += width) {
            Packed part = whole;
            part.at += first / GEMM_FACE(packed_columns)() * whole.panel;
            part.columns = smaller(width, units - first);
            EACH_TILE(i, height, w.rows)
            {
                GEMM_FACE(multiply_packed)(&part, height, rows + i * rows_step, rows_step, of_state + i * units + first, units,
                                           accumulate);
            }
        }
    }
}

#define KERNEL_OF(name, part, kind)                                                                                    \
    static void name(const KernelArgs *a, int64_t from, int64_t to)                                                    \
    {                                                                                                                  \
        part(a, from, to, kind);                                                                                       \
    }

KERNEL_OF(lstm, forward, LSTM)
KERNEL_OF(gru, forward, GRU)
KERNEL_OF(rnn, forward, RNN)
KERNEL_OF(lstm_backward, back, LSTM)
KERNEL_OF(gru_backward, back, GRU)
KERNEL_OF(rnn_backward, back, RNN)

#define RECURRENT_ENTRIES(dtype, cost_of_unit)                                                                         \
    {"lstm", dtype, lstm, 4 * cost_of_unit, .inputs = 5, .outputs = 2, .in_place = 1 << 2 | 1 << 4, .coarse = 1,       \
     .settings = ": rows reverse", .units = units_of_rows,                                                             \
     .operands = "gates=R4b weight=4bb hidden=ab sizes=i64:c cell=ab output=Rb kept?=R7b"},                            \
    {"gru", dtype, gru, 3 * cost_of_unit, .inputs = 5, .outputs = 2, .in_place = 1 << 2, .coarse = 1,                  \
     .settings = ": rows reverse", .units = units_of_rows,                                                             \
     .operands = "gates=R3b weight=3bb hidden=ab sizes=i64:c bias?=3b output=Rb kept?=R5b"},                           \
    {"rnn", dtype, rnn, cost_of_unit, .inputs = 4, .outputs = 2, .in_place = 1 << 2, .coarse = 1,                      \
     .settings = ": rows reverse rectified", .units = units_of_rows,                                                   \
     .operands = "gates=Rb weight=bb hidden=ab sizes=i64:c output=Rb kept?=R2b"},                                      \
    {"lstm_backward", dtype, lstm_backward, 4 * cost_of_unit, .inputs = 6, .outputs = 1, .in_place = 1 << 2 | 1 << 5,  \
     .coarse = 1, .settings = ": rows reverse", .units = units_of_rows,                                                \
     .operands = "grad=Rb weight=4bb of_hidden=ab sizes=i64:c kept=R7b of_cell=ab of_gates=R4b"},                      \
    {"gru_backward", dtype, gru_backward, 3 * cost_of_unit, .inputs = 5, .outputs = 2, .in_place = 1 << 2,             \
     .coarse = 1, .settings = ": rows reverse", .units = units_of_rows,                                                \
     .operands = "grad=Rb weight=3bb of_hidden=ab sizes=i64:c kept=R5b of_gates=R3b of_recurrent=R3b"},                \
    {"rnn_backward", dtype, rnn_backward, cost_of_unit, .inputs = 5, .outputs = 1, .in_place = 1 << 2,                 \
     .coarse = 1, .settings = ": rows reverse rectified", .units = units_of_rows,                                      \
     .operands = "grad=Rb weight=bb of_hidden=ab sizes=i64:c kept=R2b of_gates=Rb"},                                   \
    {NULL},

#endif
