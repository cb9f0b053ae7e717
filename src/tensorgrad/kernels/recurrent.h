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
#include "gemm_vector.h"
#include "math64.h"
#include "pool.h"

#if ELEMENT_BYTES == 4
#define SIGMOID sigmoid32
#define TANH tanh32
#else
#define SIGMOID sigmoid64
#define TANH tanh64
#endif

#include "gemm_packed.h"

enum { LSTM, GRU, RNN };

#define GATES(kind) ((kind) == LSTM ? 4 : (kind) == GRU ? 3 : 1)
#define KEPT(kind) ((kind) == LSTM ? 3 : (kind) == GRU ? 2 : 1)     /* numbers of a hidden unit, kept for the way back */
#define WIDE(kind) ((kind) == RNN ? 128 : 32)                       /* hidden units of a block */
#define BLOCK_SUMS 128                  /* that a row of a block has, at most */
#define GRANULE 16                      /* numbers whose curves are computed together */
#define GROUP 48                        /* rows whose sums are made before their curves */
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

/* Takes the next step in which some rows are mine; 0 when there is none left. */
static int next_step(Walk *w)
{
    while (w->left) {
        int64_t size = w->sizes[w->backwards ? w->left - 1 : w->steps - w->left];
        w->left--;
        w->at -= w->backwards ? size : 0;
        w->row = w->at + w->first;
        w->rows = smaller(size, w->end) - w->first;
        w->at += w->backwards ? 0 : size;
        if (w->rows > 0) {
            return 1;
        }
    }
    return 0;
}

/* `count` numbers, a multiple of GRANULE: those behind the last one that is meant are there and mean nothing. */
ALWAYS_INLINE void sigmoid_line(element *at, int64_t count)
{
    for (int64_t j = 0; j < count; j += GRANULE) {
        INDEPENDENT
        for (int l = 0; l < GRANULE; l++) {
            at[j + l] = SIGMOID(at[j + l]);
        }
    }
}

ALWAYS_INLINE void tanh_line(element *at, int64_t count)
{
    for (int64_t j = 0; j < count; j += GRANULE) {
        INDEPENDENT
        for (int l = 0; l < GRANULE; l++) {
            at[j + l] = TANH(at[j + l]);
        }
    }
}

/* What the input gives to some gates, `apart` from each other, is added to what the state gives. */
ALWAYS_INLINE void add_lines(element *s, int64_t lane, const element *x, int64_t apart, int gates, int64_t width)
{
    for (int gate = 0; gate < gates; gate++) {
        INDEPENDENT
        for (int64_t l = 0; l < width; l++) {
            s[gate * lane + l] = x[gate * apart + l] + s[gate * lane + l];
        }
    }
}

ALWAYS_INLINE void copy_lines(element *to, int64_t apart, const element *s, int64_t lane, int gates, int64_t width)
{
    for (int gate = 0; gate < gates; gate++) {
        INDEPENDENT
        for (int64_t l = 0; l < width; l++) {
            to[gate * apart + l] = s[gate * lane + l];
        }
    }
}

/* A block of hidden units of one row in one step. */
typedef struct Row {
    element *gates;             /* what the input gives to them; afterwards what they are, if something is kept */
    element *sums;              /* what the state gives to them, `lane` apart */
    const element *bias;        /* of a GRU */
    const element *before;      /* the state, of a GRU */
    element *cell, *output, *kept;
    int64_t units, state_step;
    int rectified;
} Row;

/* The gates that need no other. */
ALWAYS_INLINE void open_gates(const Row *row, const int kind, const int64_t width, const int64_t lane)
{
    element *s = row->sums;
    if (kind == LSTM) {
        add_lines(s, lane, row->gates, row->units, 4, width);
        sigmoid_line(s, 2 * lane);
        tanh_line(s + 2 * lane, lane);
        sigmoid_line(s + 3 * lane, lane);
    } else if (kind == GRU) {
        for (int gate = 0; row->bias && gate < 3; gate++) {
            add_lines(s + gate * lane, 0, row->bias + gate * row->units, 0, 1, width);
        }
        add_lines(s, lane, row->gates, row->units, 2, width);
        sigmoid_line(s, 2 * lane);
    } else {
        add_lines(s, lane, row->gates, row->units, 1, width);
        if (row->rectified) {
            for (int64_t l = 0; l < width; l++) {
                s[l] = s[l] < 0 ? 0 : s[l];
            }
        } else {
            tanh_line(s, lane);
        }
    }
}

/* What the gates make of the state; and what is kept. */
ALWAYS_INLINE void pass_gates(const Row *row, const int kind, const int64_t width, const int64_t lane)
{
    element line[WIDE(LSTM)];
    element *gates = row->gates, *s = row->sums, *cell = row->cell, *output = row->output, *kept = row->kept;
    const element *before = row->before;
    int64_t units = row->units;
    for (int64_t l = width; kind != RNN && l < lane; l++) {
        line[l] = 0;
    }
    if (kind == LSTM) {
        INDEPENDENT
        for (int64_t l = 0; l < width; l++) {
            line[l] = s[lane + l] * cell[l] + s[l] * s[2 * lane + l];
        }
        if (kept) {
            copy_lines(kept + units, 0, cell, 0, 1, width);
            copy_lines(gates, units, s, lane, 4, width);
        }
        copy_lines(cell, 0, line, 0, 1, width);
        tanh_line(line, lane);
        INDEPENDENT
        for (int64_t l = 0; l < width; l++) {
            output[l] = s[3 * lane + l] * line[l];
        }
        if (kept) {
            copy_lines(kept, 0, line, 0, 1, width);
        }
    } else if (kind == GRU) {
        INDEPENDENT
        for (int64_t l = 0; l < width; l++) {
            line[l] = gates[2 * units + l] + s[l] * s[2 * lane + l];
        }
        tanh_line(line, lane);
        INDEPENDENT
        for (int64_t l = 0; l < width; l++) {
            output[l] = line[l] + s[lane + l] * (before[l] - line[l]);
        }
        if (kept) {
            copy_lines(kept, 0, s + 2 * lane, 0, 1, width);
            copy_lines(gates, units, s, lane, 2, width);
            copy_lines(gates + 2 * units, 0, line, 0, 1, width);
        }
    } else {
        copy_lines(output, 0, s, 0, 1, width);
        if (kept) {
            copy_lines(gates, 0, s, 0, 1, width);
        }
    }
}

ALWAYS_INLINE Row row_at(Row row, int64_t r, const int kind)
{
    row.gates += r * GATES(kind) * row.units;
    row.sums += r * GATES(kind) * WIDE(kind);
    row.before += r * row.state_step;
    row.cell += kind == LSTM ? r * row.units : 0;
    row.output += r * row.units;
    row.kept += row.kept ? r * KEPT(kind) * row.units : 0;
    return row;
}

/* Some rows, of which no gate waits for another's state. */
ALWAYS_INLINE void curve_rows(const Row *first, int64_t rows, const int kind, const int64_t width, const int64_t lane)
{
    for (int64_t r = 0; r < rows; r++) {
        Row row = row_at(*first, r, kind);
        open_gates(&row, kind, width, lane);
    }
    for (int64_t r = 0; r < rows; r++) {
        Row row = row_at(*first, r, kind);
        pass_gates(&row, kind, width, lane);
    }
}

/* Where the width is known the compiler leaves no loops inside. */
ALWAYS_INLINE void curve_block(const Row *row, int64_t rows, const int kind, int64_t width, int64_t lane)
{
    if (width == WIDE(kind)) {
        curve_rows(row, rows, kind, WIDE(kind), WIDE(kind));
    } else if (kind != RNN && ELEMENT_BYTES == 4 && width == GRANULE) {
        curve_rows(row, rows, kind, GRANULE, GRANULE);
    } else {
        curve_rows(row, rows, kind, width, lane);
    }
}

/* data = what the input gives to the gates, which becomes what they are if something is kept; the weight of the state, the state,
   which goes along, sizes; of an LSTM the cell, which goes along too, of a GRU the bias beside the weight, or NULL; the state
   after every step, and what is kept or NULL: of an LSTM tanh of the cell, and the cell before; of a GRU what the state gives to
   the third gate; of all, last, the state before. integer = rows, whether from the last step to the first, and of one gate
   whether it is max(0, x) and not tanh. */
ALWAYS_INLINE void forward(const KernelArgs *a, int64_t from, int64_t to, const int kind)
{
    const int gates = GATES(kind), lines = KEPT(kind), out = kind == RNN ? 4 : 5;
    const int64_t units = a->size[1], wide = WIDE(kind), blocks = divide_up(units, wide), sums_step = gates * wide;
    const int64_t block_size = GEMM_FACE(packed_size)(sums_step, units), columns = GEMM_FACE(packed_columns)();
    const element *weight = a->data[1];
    element on_stack[UNPACKED * BLOCK_SUMS] = {0};
    element *state = a->data[2], *sums = on_stack, *packed = NULL;
    int64_t state_step = units, group = UNPACKED;
    Walk w = begin_walk(a, from, to, a->data[3], (int)a->integer[1]);
    if (a->integer[0] > UNPACKED) {
        int64_t step = units + PADDING, mine = w.end - w.first;
        packed = pool_scratch((size_t)(blocks * block_size + GROUP * sums_step + mine * step) * sizeof(element));
    }
    if (packed) {
        sums = packed + blocks * block_size;
        state = sums + GROUP * sums_step - w.first * (units + PADDING);
        state_step = units + PADDING;
        group = GROUP;
        for (int64_t r = w.first; r < w.end; r++) {
            memcpy(state + r * state_step, (element *)a->data[2] + r * units, (size_t)units * sizeof(element));
        }
        for (int64_t b = 0; b < blocks; b++) {
            int64_t width = smaller(wide, units - b * wide), lane = divide_up(width, GRANULE) * GRANULE;
            Packed p = {NULL, gates * lane, units, 0, 0};
            if (width != lane) {
                memset(packed + b * block_size, 0, (size_t)block_size * sizeof(element));
            }
            for (int gate = 0; gate < gates; gate++) {
                const element *rows = weight + (gate * units + b * wide) * units;
                GEMM_FACE(pack_lines)(&p, packed + b * block_size, gate * lane, rows, units, width);
            }
        }
    }
    while (next_step(&w)) {
        element *x = (element *)a->data[0] + w.row * gates * units;
        element *output = (element *)a->data[out] + w.row * units;
        element *kept = a->data[out + 1] ? (element *)a->data[out + 1] + w.row * lines * units : NULL;
        element *mine = state + w.first * state_step;
        int64_t groups = divide_up(w.rows, group);
        for (int64_t b = 0; b < blocks; b++) {
            int64_t first = b * wide, width = smaller(wide, units - first), lane = divide_up(width, GRANULE) * GRANULE;
            Packed p = {packed + b * block_size, gates * lane, units, columns, columns * units};
            for (int64_t g = 0, i = 0, height; g < groups; g++, i += height) {
                height = w.rows / groups + (g < w.rows % groups);
                if (packed) {
                    GEMM_FACE(multiply_packed)(&p, height, mine + i * state_step, state_step, sums, sums_step, 0);
                }
                for (int gate = 0; !packed && gate < gates; gate++) {
                    GEMM_FACE(multiply_unpacked)(height, width, units, mine + i * state_step, state_step,
                                                 weight + (gate * units + first) * units, 1, units, sums + gate * lane,
                                                 sums_step, 0);
                }
                Row row = {x + i * gates * units + first, sums, NULL, mine + i * state_step + first, NULL,
                           output + i * units + first, kept ? kept + i * lines * units + first : NULL, units, state_step,
                           (int)a->integer[2]};
                if (kind == LSTM) {
                    row.cell = (element *)a->data[4] + (w.first + i) * units + first;
                } else if (kind == GRU && a->data[4]) {
                    row.bias = (const element *)a->data[4] + first;
                }
                curve_block(&row, height, kind, width, lane);
            }
        }
        for (int64_t r = 0; r < w.rows; r++) {
            element *row = mine + r * state_step;
            if (kept) {
                memcpy(kept + (r * lines + lines - 1) * units, row, (size_t)units * sizeof(element));
            }
            memcpy(row, output + r * units, (size_t)units * sizeof(element));
        }
    }
    for (int64_t r = w.first; packed && r < w.end; r++) {
        memcpy((element *)a->data[2] + r * units, state + r * state_step, (size_t)units * sizeof(element));
    }
}

/* A row before a step: from the gradients of its output and of the state and cell behind it to those of the gates. */
typedef struct Back {
    const element *grad, *gates, *kept;
    element *of_state, *of_cell;
    element *of_gates, *of_recurrent;       /* of what input and state give to the gates, of which a GRU has two */
    int64_t units;
    int rectified;
} Back;

ALWAYS_INLINE void uncurve(const Back *row, const int kind)
{
    const element *grad = row->grad, *gates = row->gates, *kept = row->kept;
    element *of_state = row->of_state, *of_cell = row->of_cell, *found = row->of_gates, *recurrent = row->of_recurrent;
    const int64_t units = row->units, second = units, third = 2 * units, fourth = 3 * units;
    const element zero = 0;
    INDEPENDENT
    for (int64_t l = 0; l < units; l++) {
        element h = of_state[l] + grad[l];
        if (kind == LSTM) {
            element in = gates[l], forget = gates[second + l], new = gates[third + l], open = gates[fourth + l];
            element curved = kept[l], old = kept[second + l];
            element c = of_cell[l] + h * open * (1 - curved * curved);
            found[l] = c * new * in * (1 - in);
            found[second + l] = c * old * forget * (1 - forget);
            found[third + l] = c * in * (1 - new * new);
            found[fourth + l] = h * curved * open * (1 - open);
            of_cell[l] = c * forget;
        } else if (kind == GRU) {
            element reset = gates[l], update = gates[second + l], new = gates[third + l], seen = kept[l], old = kept[second + l];
            element of_new = h * (1 - update) * (1 - new * new);
            element of_reset = of_new * seen * reset * (1 - reset);
            element of_update = h * (old - new) * update * (1 - update);
            found[l] = recurrent[l] = of_reset;
            found[second + l] = recurrent[second + l] = of_update;
            found[third + l] = of_new;
            recurrent[third + l] = of_new * reset;
            of_state[l] = h * update;
        } else {
            found[l] = !row->rectified ? h * (1 - gates[l] * gates[l]) : gates[l] <= 0 ? zero : h;
        }
    }
}

/* data = the gradient of the state after every step, the weight, the gradient of the last state, which becomes that of the first,
   sizes, the gates, what forward() kept (of one gate only the gate), of an LSTM the gradient of the cell, which goes along; the
   gradients of what the input gives to the gates, and of a GRU of what the state gives to them. */
ALWAYS_INLINE void back(const KernelArgs *a, int64_t from, int64_t to, const int kind)
{
    const int gates = GATES(kind), lines = KEPT(kind), out = kind == LSTM ? 7 : kind == GRU ? 6 : 5, accumulate = kind == GRU;
    const int64_t units = a->size[1], depth = gates * units;
    const int64_t packed_size = GEMM_FACE(packed_size)(units, depth), copy_step = depth + PADDING;
    const int crowded = depth * ELEMENT_BYTES % 4096 == 0;      /* rows of the gates would meet in the same cache sets */
    Walk w = begin_walk(a, from, to, a->data[3], !a->integer[1]);
    Packed whole = {NULL, units, depth, 0, 0};
    element *memory = NULL, *copy = NULL;
    if (a->integer[0] > UNPACKED) {
        int64_t copied = crowded ? (w.end - w.first) * copy_step : 0;
        memory = pool_scratch((size_t)(packed_size + copied) * sizeof(element));
    }
    if (memory) {
        copy = memory + packed_size;
        GEMM_FACE(pack_matrix)(&whole, memory, a->data[1], units, a->size[2] == 1);
    }
    while (next_step(&w)) {
        element *of_state = (element *)a->data[2] + w.first * units;
        element *found = (element *)a->data[out] + w.row * depth;
        element *seen = kind == GRU ? (element *)a->data[7] + w.row * depth : found;
        for (int64_t r = 0; r < w.rows; r++) {
            Back b = {(const element *)a->data[0] + (w.row + r) * units, (const element *)a->data[4] + (w.row + r) * depth, NULL,
                      of_state + r * units, NULL, found + r * depth, seen + r * depth, units, (int)a->integer[2]};
            if (kind != RNN) {
                b.kept = (const element *)a->data[5] + (w.row + r) * lines * units;
            }
            if (kind == LSTM) {
                b.of_cell = (element *)a->data[6] + (w.first + r) * units;
            }
            uncurve(&b, kind);
        }
        if (!memory) {
            GEMM_FACE(multiply_unpacked)(w.rows, units, depth, seen, depth, a->data[1], units, 1, of_state, units, accumulate);
            continue;
        }
        int64_t step = crowded ? copy_step : depth;
        for (int64_t r = 0; crowded && r < w.rows; r++) {
            memcpy(copy + r * step, seen + r * depth, (size_t)depth * sizeof(element));
        }
        GEMM_FACE(multiply_packed)(&whole, w.rows, crowded ? copy : seen, step, of_state, units, accumulate);
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

#define RECURRENT_ENTRIES(dtype, unit)                                                                                 \
    {"lstm", dtype, lstm, 4 * unit, .inputs = 5, .outputs = 2, .in_place = 1 | 1 << 2 | 1 << 4, .coarse = 1,           \
     .settings = ": rows reverse", .units = units_of_rows,                                                             \
     .operands = "gates=R4b weight=4bb hidden=ab sizes=i64:c cell=ab output=Rb kept?=R3b"},                            \
    {"gru", dtype, gru, 3 * unit, .inputs = 5, .outputs = 2, .in_place = 1 | 1 << 2, .coarse = 1,                      \
     .settings = ": rows reverse", .units = units_of_rows,                                                             \
     .operands = "gates=R3b weight=3bb hidden=ab sizes=i64:c bias?=3b output=Rb kept?=R2b"},                           \
    {"rnn", dtype, rnn, unit, .inputs = 4, .outputs = 2, .in_place = 1 | 1 << 2, .coarse = 1,                          \
     .settings = ": rows reverse rectified", .units = units_of_rows,                                                   \
     .operands = "gates=Rb weight=bb hidden=ab sizes=i64:c output=Rb kept?=Rb"},                                       \
    {"lstm_backward", dtype, lstm_backward, 4 * unit, .inputs = 7, .outputs = 1, .in_place = 1 << 2 | 1 << 6,          \
     .coarse = 1, .settings = ": rows reverse", .units = units_of_rows,                                                \
     .operands = "grad=Rb weight=4bb of_hidden=ab sizes=i64:c gates=R4b kept=R3b of_cell=ab of_gates=R4b"},            \
    {"gru_backward", dtype, gru_backward, 3 * unit, .inputs = 6, .outputs = 2, .in_place = 1 << 2,                     \
     .coarse = 1, .settings = ": rows reverse", .units = units_of_rows,                                                \
     .operands = "grad=Rb weight=3bb of_hidden=ab sizes=i64:c gates=R3b kept=R2b of_gates=R3b of_recurrent=R3b"},      \
    {"rnn_backward", dtype, rnn_backward, unit, .inputs = 5, .outputs = 1, .in_place = 1 << 2,                         \
     .coarse = 1, .settings = ": rows reverse rectified", .units = units_of_rows,                                      \
     .operands = "grad=Rb weight=bb of_hidden=ab sizes=i64:c gates=Rb of_gates=Rb"},                                   \
    {NULL},

#endif
