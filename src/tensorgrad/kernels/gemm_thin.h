/* Matrix products that do so little with each element that reading it is the work: a matrix times a vector, a product of a
 * few columns whose operands both lie along k, an outer product. Each operand is read in the order in which it lies.
 *
 * The order in which an element is summed depends on the depth alone, as in gemm_blocks.h, but is another one.
 */
#ifndef TENSORGRAD_GEMM_THIN_H
#define TENSORGRAD_GEMM_THIN_H

#define LINE (8192 / ELEMENT_BYTES)     /* elements of a row of C that stay in the first cache */

/* An outer product: one row of C after the other. */
static void multiply_outer(const Product *p)
{
    element gathered[LINE];
    int64_t line = p->b_column == 1 ? p->columns : LINE;
    for (int64_t first = 0; first < p->columns; first += line) {
        int64_t count = smaller(line, p->columns - first);
        const element *b = p->b + first * p->b_column;
        if (p->b_column != 1) {
            for (int64_t j = 0; j < count; j++) {
                gathered[j] = b[j * p->b_column];
            }
            b = gathered;
        }
        for (int64_t i = 0; i < p->rows; i++) {
            element factor = p->a[i * p->a_row];
            element *c = p->c + i * p->c_row + first;
            if (p->flags & GEMM_ACCUMULATE) {
                INDEPENDENT
                for (int64_t j = 0; j < count; j++) {
                    c[j] += factor * b[j];
                }
            } else {
                INDEPENDENT
                for (int64_t j = 0; j < count; j++) {
                    c[j] = factor * b[j] + 0;
                }
            }
        }
    }
    finish_plain(p);
}

/* A row times a matrix whose rows are contiguous: the matrix's rows, eight side by side, are added up in the first cache. */
static void add_rows(const element *x, int64_t x_step, const element *rows, int64_t step, int64_t depth, element *y,
                     int64_t columns, int accumulate)
{
    for (int64_t first = 0; first < columns; first += LINE) {
        int64_t count = smaller(LINE, columns - first);
        const element *row = rows + first;
        element *to = y + first;
        if (!accumulate) {
            memset(to, 0, (size_t)count * sizeof(element));
        }
        int64_t k = 0;
        for (; k + 8 <= depth; k += 8) {
            const element *at = x + k * x_step;
            element x0 = at[0], x1 = at[x_step], x2 = at[2 * x_step], x3 = at[3 * x_step];
            element x4 = at[4 * x_step], x5 = at[5 * x_step], x6 = at[6 * x_step], x7 = at[7 * x_step];
            const element *row4 = row + 4 * step;
            INDEPENDENT
            for (int64_t j = 0; j < count; j++) {
                element sum = to[j];
                sum += x0 * row[j];
                sum += x1 * row[j + step];
                sum += x2 * row[j + 2 * step];
                sum += x3 * row[j + 3 * step];
                sum += x4 * row4[j];
                sum += x5 * row4[j + step];
                sum += x6 * row4[j + 2 * step];
                sum += x7 * row4[j + 3 * step];
                to[j] = sum;
            }
            row += 8 * step;
        }
        for (; k < depth; k++) {
            element factor = x[k * x_step];
            INDEPENDENT
            for (int64_t j = 0; j < count; j++) {
                to[j] += factor * row[j];
            }
            row += step;
        }
    }
}

static void multiply_rows(const Product *p)
{
    int accumulate = p->flags & GEMM_ACCUMULATE;
    if (p->rows == 1) {
        add_rows(p->a, p->a_column, p->b, p->b_row, p->depth, p->c, p->columns, accumulate);
    } else {
        add_rows(p->b, p->b_row, p->a, p->a_column, p->depth, p->c, p->rows, accumulate);
    }
    finish_plain(p);
}

#if VECTOR_TYPES
#define DOT_ROWS 8      /* with one column; with two or three half of it */
#define DOT_COLUMNS 3
#define DOT_SIDE 16     /* up to so many rows or columns */
#define DOT_BYTES 96    /* of depth for each of them, at least: lanes are added up at the end */

/* `count` elements, fewer than a vector; zeros after them. */
ALWAYS_INLINE vector load_some(const element *p, int64_t count)
{
#if MASKED
    return load_lanes(p, mask_of(count));
#elif defined(__AVX2__)
    static const int32_t ones[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
    const void *mask = (const char *)(ones + 8) - count * ELEMENT_BYTES;
    return (vector)TYPED(_mm256_maskload)(p, _mm256_loadu_si256(mask));
#else
    vector v = {0};
    for (int i = 0; i < LANES - 1; i++) {
        v[i] = i < count ? p[i] : 0;
    }
    return v;
#endif
}

typedef element half_vector __attribute__((vector_size(16)));

/* Halves are added until 16 bytes are left. */
ALWAYS_INLINE element sum_of_lanes(vector v)
{
    half_vector part[VECTOR_BYTES / 16];
    memcpy(part, &v, sizeof v);
    for (int half = VECTOR_BYTES / 32; half > 0; half /= 2) {
        for (int i = 0; i < half; i++) {
            part[i] += part[i + half];
        }
    }
#if ELEMENT_BYTES == 4
    return (part[0][0] + part[0][2]) + (part[0][1] + part[0][3]);
#else
    return part[0][0] + part[0][1];
#endif
}

/* Lines that lie along k: some of them against a few others, each pair in one vector of lanes. */
typedef struct Dots {
    const element *a, *b;
    int64_t a_step, b_step, depth;
    element *c;
    int64_t c_row, c_column;
    int accumulate;
} Dots;

ALWAYS_INLINE void run_dots(const Dots *d, const int rows, const int columns)
{
    vector sum[DOT_ROWS][DOT_COLUMNS];
    UNROLL for (int i = 0; i < rows; i++) {
        UNROLL for (int j = 0; j < columns; j++) {
            sum[i][j] = (vector){0};
        }
    }
    const element *a = d->a;
    const element *b = d->b;
    int64_t left = d->depth;
    for (; left >= LANES; left -= LANES) {
        vector column[DOT_COLUMNS];
        UNROLL for (int j = 0; j < columns; j++) {
            column[j] = load(b + j * d->b_step);
        }
        UNROLL for (int i = 0; i < rows; i++) {
            vector row = load(a + i * d->a_step);
            UNROLL for (int j = 0; j < columns; j++) {
                sum[i][j] += row * column[j];
            }
        }
        a += LANES;
        b += LANES;
    }
    if (left) {
        vector column[DOT_COLUMNS];
        UNROLL for (int j = 0; j < columns; j++) {
            column[j] = load_some(b + j * d->b_step, left);
        }
        UNROLL for (int i = 0; i < rows; i++) {
            vector row = load_some(a + i * d->a_step, left);
            UNROLL for (int j = 0; j < columns; j++) {
                sum[i][j] += row * column[j];
            }
        }
    }
    UNROLL for (int i = 0; i < rows; i++) {
        UNROLL for (int j = 0; j < columns; j++) {
            element *c = d->c + i * d->c_row + j * d->c_column;
            *c = sum_of_lanes(sum[i][j]) + (d->accumulate ? *c : 0);
        }
    }
}

#define DOTS(rows, columns)                                                                             \
    static NEVER_INLINE void dots_##rows##_##columns(const Dots *d)                                     \
    {                                                                                                   \
        run_dots(d, rows, columns);                                                                     \
    }

DOTS(8, 1) DOTS(4, 2) DOTS(4, 3) DOTS(1, 1) DOTS(1, 2) DOTS(1, 3)

static void multiply_dots(const Product *p)
{
    static void (*const dots[2][DOT_COLUMNS])(const Dots *) = {{dots_1_1, dots_1_2, dots_1_3}, {dots_8_1, dots_4_2, dots_4_3}};
    int turned = p->rows < p->columns;
    int64_t rows = turned ? p->columns : p->rows;
    int64_t columns = turned ? p->rows : p->columns;
    const element *a = turned ? p->b : p->a;
    const element *b = turned ? p->a : p->b;
    Dots d = {a, b, turned ? p->b_column : p->a_row, turned ? p->a_row : p->b_column, p->depth,
              p->c, turned ? 1 : p->c_row, turned ? p->c_row : 1, p->flags & GEMM_ACCUMULATE};
    for (int64_t i = 0; i < rows;) {
        int64_t group = columns == 1 ? 8 : 4;
        int64_t height = rows - i < group ? 1 : group;
        d.a = a + i * d.a_step;
        for (int64_t j = 0; j < columns;) {
            int64_t left = columns - j;
            int64_t width = columns == 1 ? 1 : divide_up(left, divide_up(left, DOT_COLUMNS));
            d.b = b + j * d.b_step;
            d.c = p->c + i * d.c_row + j * d.c_column;
            dots[height > 1][width - 1](&d);
            j += width;
        }
        i += height;
    }
    finish_plain(p);
}
#endif

#endif
