/* What convolutions are made of: a matrix product whose second matrix is packed from a frame (conv_frame.h) as it is needed,
 * panel by panel, and never written out; few rows are summed where the frame lies.
 */
#ifndef TENSORGRAD_CONV_JOB_H
#define TENSORGRAD_CONV_JOB_H

#include "conv_frame.h"
#include "gemm_pack.h"

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
static void run_tile_on(const element *a, int64_t a_step, int transposed, int64_t rows, int64_t depth, const element *panel,
                        int64_t columns, element *c, int64_t c_step, int flags)
{
#if VECTOR_TYPES
    int vectors = columns > LANES ? 2 : 1;
    int partial = columns != vectors * LANES;
    Tile tile = {depth, a, a_step, panel, TILE_COLUMNS, c, c_step, NULL, flags, mask_of(columns - (vectors - 1) * LANES)};
#if MASKED
    TILES[rows - 1][transposed][vectors - 1][partial](&tile);
#else
    element edge[TILE_ROWS * TILE_COLUMNS];
    if (!partial) {
        TILES[rows - 1][transposed][vectors - 1][0](&tile);
        return;
    }
    tile.c = edge;
    tile.c_step = TILE_COLUMNS;
    for (int64_t r = 0; r < rows && (flags & GEMM_ACCUMULATE); r++) {
        memcpy(edge + r * TILE_COLUMNS, c + r * c_step, (size_t)columns * sizeof(element));
    }
    TILES[rows - 1][transposed][vectors - 1][0](&tile);
    for (int64_t r = 0; r < rows; r++) {
        memcpy(c + r * c_step, edge + r * TILE_COLUMNS, (size_t)columns * sizeof(element));
    }
#endif
#else
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t j = 0; j < columns; j++) {
            element sum = 0;
            for (int64_t k = 0; k < depth; k++) {
                sum += (transposed ? a[k * a_step + r] : a[r * a_step + k]) * panel[k * TILE_COLUMNS + j];
            }
            c[r * c_step + j] = sum + (flags & GEMM_ACCUMULATE ? c[r * c_step + j] : 0);
        }
    }
#endif
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
            int64_t p = j / TILE_COLUMNS;
            pack_panel(f, moves[p], count[p], smaller(TILE_COLUMNS, columns - j), frame, job->offsets + k, depth,
                       panels + j * block);
        }
        for (int64_t t = 0; t < tiles; t++) {
            int64_t rows = tile_height(job->rows, tiles, t);
            const element *a = job->a + row * job->depth + (job->packed ? k * rows : k);
            for (int64_t j = 0; j < columns; j += TILE_COLUMNS) {
                run_tile_on(a, job->packed ? rows : job->depth, job->packed, rows, depth, panels + j * block,
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

/* NULL where there is none. */
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
