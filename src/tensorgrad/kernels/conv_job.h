/* What convolutions are made of: a matrix product whose second matrix is packed from a frame (conv_frame.h) as it is needed,
 * panel by panel, and never written out; few rows are summed where the frame lies.
 */
#ifndef TENSORGRAD_CONV_JOB_H
#define TENSORGRAD_CONV_JOB_H

#include "conv_frame.h"
#if VECTOR_TYPES
#include "gemm_pack.h"
#endif

#if MASKED
#define PANEL_DEPTH 1024
#else
#define PANEL_DEPTH 256
#endif

/* A product over one frame: rows of `a` times the patches of a grid of places. */
typedef struct Job {
    int64_t rows, depth;
    int64_t count[SPACE];                   /* places */
    const int64_t *offsets;                 /* of a patch, in the frame: [depth] */
    const element *a;                       /* [rows][depth], or where it is packed [tile][depth][rows of the tile] */
    int packed;
    const element *bias;                    /* a number for each row, or NULL */
} Job;

/* C[rows][columns] (+)= A B, where B is a panel of that depth. */
static void run_tile_on(const element *a, int64_t a_row, int64_t a_column, int64_t rows, int64_t depth, const element *panel,
                        int64_t columns, element *c, int64_t c_step, int flags)
{
#if VECTOR_TYPES
    Tile tile = {depth, a, a_row, a_column, panel, TILE_COLUMNS, c, c_step, NULL, flags, 0};
    run_columns(tile, rows, columns);
#else
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t j = 0; j < columns; j++) {
            element sum = 0;
            for (int64_t k = 0; k < depth; k++) {
                sum += a[r * a_row + k * a_column] * panel[k * TILE_COLUMNS + j];
            }
            c[r * c_step + j] = sum + (flags & GEMM_ACCUMULATE ? c[r * c_step + j] : 0);
        }
    }
#endif
}

#if VECTOR_TYPES
/* A tile that reads its two vectors of places where they lie in the frame: then nothing is packed, and the sums are the same. */
typedef struct InPlace {
    int64_t depth;
    const element *a;
    int64_t a_row, a_column;                /* from one row to the next, from one k to the next */
    const element *b[2];
    const int64_t *offsets;
    element *c;
    int64_t c_step;
    int accumulate;
} InPlace;

typedef void (*in_place_fn)(const InPlace *);

ALWAYS_INLINE void run_in_place(const InPlace *t, const int rows)
{
    vector sum[TILE_ROWS][2];
    const element *third[5];                /* as in gemm_tile.h */
    UNROLL for (int i = 0; i < rows; i++) {
        sum[i][0] = sum[i][1] = (vector){0};
    }
    UNROLL for (int i = 0; i < 5; i++) {
        third[i] = t->a + 3 * i * t->a_row;
    }
    for (int64_t k = 0; k < t->depth; k++) {
        vector first = load(t->b[0] + t->offsets[k]), second = load(t->b[1] + t->offsets[k]);
        UNROLL for (int i = 0; i < rows; i++) {
            vector weight = broadcast(third[i / 3] + (i % 3) * t->a_row);
            sum[i][0] += weight * first;
            sum[i][1] += weight * second;
        }
        UNROLL for (int i = 0; 3 * i < rows; i++) {
            third[i] += t->a_column;
        }
    }
    UNROLL for (int i = 0; i < rows; i++) {
        element *c = t->c + i * t->c_step;
        store(c, t->accumulate ? sum[i][0] + load(c) : sum[i][0]);
        store(c + LANES, t->accumulate ? sum[i][1] + load(c + LANES) : sum[i][1]);
    }
}

#define IN_PLACE(rows)                                                                                  \
    static NEVER_INLINE void in_place_##rows(const InPlace *t)                                          \
    {                                                                                                   \
        run_in_place(t, rows);                                                                          \
    }

IN_PLACE(1) IN_PLACE(2) IN_PLACE(3) IN_PLACE(4) IN_PLACE(5) IN_PLACE(6)
#if TILE_ROWS > 6
IN_PLACE(7) IN_PLACE(8) IN_PLACE(9) IN_PLACE(10) IN_PLACE(11) IN_PLACE(12) IN_PLACE(13) IN_PLACE(14)
#endif

/* By rows - 1. */
static const in_place_fn in_place[TILE_ROWS] = {
    in_place_1, in_place_2, in_place_3, in_place_4, in_place_5, in_place_6,
#if TILE_ROWS > 6
    in_place_7, in_place_8, in_place_9, in_place_10, in_place_11, in_place_12, in_place_13, in_place_14,
#endif
};
#endif

/* Whether a panel is two whole vectors of the frame. */
static int lies_whole(const Move *moves, int count)
{
    return VECTOR_TYPES && count == 2 && moves[1].to == LANES;
}

/* Tiles of nearly equal height: 15 rows are 8 + 7, not 14 + 1. */
static int64_t tile_height(int64_t rows, int64_t tiles, int64_t t)
{
    return rows / tiles + (t < rows % tiles);
}

#define GROUP 4                             /* panels packed side by side, so that a tile of weights serves all of them */
#define GROUP_COLUMNS (GROUP * TILE_COLUMNS)
#define MOST_DEPTH (PANEL_DEPTH + PANEL_DEPTH / 4)

/* Depth of a block, of which panels are packed. */
static int64_t block_of(int64_t depth)
{
    return depth > MOST_DEPTH ? divide_up(depth, divide_up(depth, PANEL_DEPTH)) : depth;
}

/* `columns` places from `first` on, at most GROUP_COLUMNS, into C. */
static void run_panels(const Job *job, const Frame *f, const element *frame, int64_t first, int64_t columns, element *panels,
                       element *c, int64_t c_step)
{
    Move moves[GROUP][TILE_COLUMNS];
    int count[GROUP];
    int64_t tiles = divide_up(job->rows, TILE_ROWS);
    int64_t block = block_of(job->depth);
    for (int64_t j = 0; j < columns; j += TILE_COLUMNS) {
        int64_t p = j / TILE_COLUMNS;
        count[p] = moves_of(f, job->count, first + j, smaller(TILE_COLUMNS, columns - j), moves[p]);
    }
    if (job->bias || job->depth == 0) {
        for (int64_t r = 0; r < job->rows; r++) {
            for (int64_t j = 0; j < columns; j++) {
                c[r * c_step + j] = job->bias ? job->bias[r] : 0;
            }
        }
    }
    for (int64_t k = 0; k < job->depth; k += block) {
        int64_t depth = smaller(block, job->depth - k);
        int flags = k > 0 || job->bias ? GEMM_ACCUMULATE : 0;
        int64_t row = 0;
        for (int64_t j = 0; j < columns; j += TILE_COLUMNS) {
            int64_t p = j / TILE_COLUMNS, wide = smaller(TILE_COLUMNS, columns - j);
            if (wide < TILE_COLUMNS || !lies_whole(moves[p], count[p])) {
                pack_panel(f, moves[p], count[p], wide, frame, job->offsets + k, depth, panels + j * block);
            }
        }
        for (int64_t t = 0; t < tiles; t++) {
            int64_t rows = tile_height(job->rows, tiles, t);
            const element *a = job->a + row * job->depth + (job->packed ? k * rows : k);
            int64_t a_row = job->packed ? 1 : job->depth, a_column = job->packed ? rows : 1;
            for (int64_t j = 0; j < columns; j += TILE_COLUMNS) {
#if VECTOR_TYPES
                const Move *whole = moves[j / TILE_COLUMNS];
                if (columns - j >= TILE_COLUMNS && lies_whole(whole, count[j / TILE_COLUMNS])) {
                    InPlace tile = {depth, a, a_row, a_column, {frame + whole[0].from, frame + whole[1].from},
                                    job->offsets + k, c + row * c_step + j, c_step, flags & GEMM_ACCUMULATE};
                    in_place[rows - 1](&tile);
                    continue;
                }
#endif
                run_tile_on(a, a_row, a_column, rows, depth, panels + j * block,
                            smaller(TILE_COLUMNS, columns - j), c + row * c_step + j, c_step, flags);
            }
            row += rows;
        }
    }
}

static int64_t places_of(const Job *job)
{
    return job->count[0] * job->count[1] * job->count[2];
}

#if VECTOR_TYPES
#define FEW_ROWS 2
#define LINES 4

/* Some lines of places times one or two vectors, `second` columns apart, of one row of the result; read where they lie. */
ALWAYS_INLINE void run_lines(const Job *job, const element *a, int64_t a_step, element bias, const element *frame, int64_t step,
                             int64_t second, element *c, int64_t columns, const int lines, const int vectors)
{
    vector sum[LINES][2];
    UNROLL for (int i = 0; i < lines; i++) {
        UNROLL for (int j = 0; j < vectors; j++) {
            sum[i][j] = broadcast(&bias);
        }
    }
    for (int64_t k = 0; k < job->depth; k++) {
        const element *from = frame + job->offsets[k];
        vector weight = broadcast(a + k * a_step);
        UNROLL for (int i = 0; i < lines; i++) {
            UNROLL for (int j = 0; j < vectors; j++) {
                sum[i][j] += weight * load(from + i * step + j * second);
            }
        }
    }
    UNROLL for (int i = 0; i < lines; i++) {
        UNROLL for (int j = 0; j < vectors; j++) {
            if (columns < LANES) {
                memcpy(c + i * columns, &sum[i][j], (size_t)columns * sizeof(element));
            } else {
                store(c + i * columns + j * second, sum[i][j]);
            }
        }
    }
}

/* A job of few rows, as that of a depthwise convolution: packing would take longer than it does. */
static void run_rows(const Job *job, const Frame *f, const element *frame, element *c, int64_t c_step)
{
    int64_t columns = job->count[2], step = f->axis[1].step * f->row;
    int64_t last = columns < LANES ? 0 : columns - LANES;
    for (int64_t r = 0; r < job->rows; r++) {
        const element *a = job->a + (job->packed ? r : r * job->depth);
        int64_t a_step = job->packed ? job->rows : 1;
        element bias = job->bias ? job->bias[r] : 0;
        for (int64_t z = 0; z < job->count[0]; z++) {
            const element *slice = frame + z * f->axis[0].step * f->slice;
            for (int64_t y = 0; y < job->count[1];) {
                int lines = y + LINES <= job->count[1] ? LINES : 1;
                element *out = c + r * c_step + (z * job->count[1] + y) * columns;
                for (int64_t x = 0; x < columns; x += 2 * LANES) {
                    int64_t at = smaller(x, last), second = smaller(x + LANES, last) - at;
                    const element *from = slice + y * step + at;
                    if (lines == LINES && second) {
                        run_lines(job, a, a_step, bias, from, step, second, out + at, columns, LINES, 2);
                    } else if (lines == LINES) {
                        run_lines(job, a, a_step, bias, from, step, 0, out + at, columns, LINES, 1);
                    } else if (second) {
                        run_lines(job, a, a_step, bias, from, step, second, out + at, columns, 1, 2);
                    } else {
                        run_lines(job, a, a_step, bias, from, step, 0, out + at, columns, 1, 1);
                    }
                }
                y += lines;
            }
        }
    }
}
#else
#define FEW_ROWS 0
#define run_rows(job, f, frame, c, c_step) ((void)0)
#endif

/* All places of a job. */
static void run_job(const Job *job, const Frame *f, const element *frame, element *panels, element *c, int64_t c_step)
{
    if (job->rows <= FEW_ROWS && !f->in_place) {
        run_rows(job, f, frame, c, c_step);
        return;
    }
    for (int64_t p = 0; p < places_of(job); p += GROUP_COLUMNS) {
        run_panels(job, f, frame, p, smaller(GROUP_COLUMNS, places_of(job) - p), panels, c + p, c_step);
    }
}

/* The work memory of a thread. */
typedef struct Room {
    int64_t *offsets;
    char *classes;
    element *frame, *panel, *weights, *turned;
} Room;

/* 0 where there is none. */
static int make_room(Room *room, const Frame *f, int64_t depth, int64_t classes, int64_t weights, int64_t turned)
{
    int64_t frame = frame_elements(f) * ELEMENT_BYTES;
    int64_t panel = (smaller(depth, MOST_DEPTH) * GROUP_COLUMNS + LANES) * ELEMENT_BYTES;
    int64_t bytes = padded(depth * 8) + padded(classes) + padded(frame) + padded(panel);
    bytes += padded(weights * ELEMENT_BYTES) + padded(turned * ELEMENT_BYTES);
    char *memory = pool_scratch((size_t)bytes);
    if (!memory) {
        return 0;
    }
    room->offsets = part_of(&memory, depth * 8);
    room->classes = part_of(&memory, classes);
    room->frame = part_of(&memory, frame);
    room->panel = part_of(&memory, panel);
    room->weights = part_of(&memory, weights * ELEMENT_BYTES);
    room->turned = part_of(&memory, turned * ELEMENT_BYTES);
    return 1;
}

#endif
