/* Small linear systems: Cholesky factors, triangular systems, elimination with pivots. Rows are what all of them walk along, so
 * that every loop is one over contiguous memory; past a few hundred rows LAPACK's blocks are quicker. */
#include "entries.h"

#define COLUMNS(T) (256 / (int64_t)sizeof(T))       /* right sides of a triangular system that are solved side by side */

/* row -= factor * of, the step of every elimination. */
#define SUBTRACT(T, type)                                                                                              \
    ALWAYS_INLINE void subtract_##T(type *restrict row, const type *restrict of, type factor, int64_t count)           \
    {                                                                                                                  \
        for (int64_t j = 0; j < count; j++) {                                                                          \
            row[j] -= factor * of[j];                                                                                  \
        }                                                                                                              \
    }                                                                                                                  \
                                                                                                                       \
    static void fill_nan_##T(type *x, int64_t count)                                                                   \
    {                                                                                                                  \
        for (int64_t i = 0; i < count; i++) {                                                                          \
            x[i] = (type)NAN;                                                                                          \
        }                                                                                                              \
    }

/* data = matrices, of which the lower triangle is read, factors, orders (int32); size = {matrices, rows}. The order is 0, or that of
 * the first leading minor that is not positive, and then the factor is NaN. The factor is made as its transpose, whose rows are
 * what is subtracted from those below. */
#define CHOLESKY(T, type)                                                                                              \
    static int32_t factor_##T(const type *in, type *out, int64_t n)                                                    \
    {                                                                                                                  \
        for (int64_t i = 0; i < n; i++) {                                                                              \
            for (int64_t j = 0; j <= i; j++) {                                                                         \
                out[j * n + i] = in[i * n + j];                                                                        \
            }                                                                                                          \
        }                                                                                                              \
        for (int64_t k = 0; k < n; k++) {                                                                              \
            type *row = out + k * n;                                                                                   \
            if (!(row[k] > 0)) {                                                                                       \
                fill_nan_##T(out, n * n);                                                                              \
                return (int32_t)(k + 1);                                                                               \
            }                                                                                                          \
            type root = SQRT_##T(row[k]);                                                                              \
            row[k] = root;                                                                                             \
            for (int64_t j = k + 1; j < n; j++) {                                                                      \
                row[j] /= root;                                                                                        \
            }                                                                                                          \
            for (int64_t i = k + 1; i < n; i++) {                                                                      \
                subtract_##T(out + i * n + i, row + i, row[i], n - i);                                                 \
            }                                                                                                          \
        }                                                                                                              \
        for (int64_t i = 0; i < n; i++) {                                                                              \
            for (int64_t j = i + 1; j < n; j++) {                                                                      \
                out[j * n + i] = out[i * n + j];                                                                       \
                out[i * n + j] = 0;                                                                                    \
            }                                                                                                          \
        }                                                                                                              \
        return 0;                                                                                                      \
    }                                                                                                                  \
                                                                                                                       \
    static void cholesky_##T(const KernelArgs *a, int64_t from, int64_t to)                                            \
    {                                                                                                                  \
        int64_t n = a->size[1];                                                                                        \
        for (int64_t u = from; u < to; u++) {                                                                          \
            ((int32_t *)a->data[2])[u] =                                                                               \
                factor_##T((const type *)a->data[0] + u * n * n, (type *)a->data[1] + u * n * n, n);                   \
        }                                                                                                              \
    }

/* data = matrices, right sides that become the solutions; size = {matrices, rows, right sides}; integer = whether the upper triangle
 * counts, whether its diagonal is taken to be ones. The other triangle is not read. */
#define TRIANGULAR(T, type)                                                                                            \
    ALWAYS_INLINE void solve_columns_##T(const type *A, type *X, int64_t n, int64_t m, int64_t count, int upper, int unit) \
    {                                                                                                                  \
        type sums[COLUMNS(type)];                                                                                      \
        for (int64_t step = 0; step < n; step++) {                                                                     \
            int64_t i = upper ? n - 1 - step : step, last = upper ? n : i;                                             \
            type *row = X + i * m;                                                                                     \
            memcpy(sums, row, (size_t)count * sizeof(type));                                                           \
            for (int64_t k = upper ? i + 1 : 0; k < last; k++) {                                                       \
                subtract_##T(sums, X + k * m, A[i * n + k], count);                                                    \
            }                                                                                                          \
            for (int64_t j = 0; j < count && !unit; j++) {                                                             \
                sums[j] /= A[i * n + i];                                                                               \
            }                                                                                                          \
            memcpy(row, sums, (size_t)count * sizeof(type));                                                           \
        }                                                                                                              \
    }                                                                                                                  \
                                                                                                                       \
    static void solve_block_##T(const type *A, type *X, int64_t n, int64_t m, int64_t left, int upper, int unit)       \
    {                                                                                                                  \
        if (left >= COLUMNS(type)) {                                                                                   \
            solve_columns_##T(A, X, n, m, COLUMNS(type), upper, unit);                                                 \
        } else {                                                                                                       \
            solve_columns_##T(A, X, n, m, left, upper, unit);                                                          \
        }                                                                                                              \
    }                                                                                                                  \
                                                                                                                       \
    static void solve_triangular_##T(const KernelArgs *a, int64_t from, int64_t to)                                    \
    {                                                                                                                  \
        int64_t n = a->size[1], m = a->size[2], blocks = divide_up(m, COLUMNS(type));                                  \
        int upper = a->integer[0] != 0, unit = a->integer[1] != 0;                                                     \
        for (int64_t u = from; u < to; u++) {                                                                          \
            int64_t column = u % blocks * COLUMNS(type);                                                               \
            const type *A = (const type *)a->data[0] + u / blocks * n * n;                                             \
            type *X = (type *)a->data[1] + u / blocks * n * m + column;                                                \
            solve_block_##T(A, X, n, m, m - column, upper, unit);                                                      \
        }                                                                                                              \
    }                                                                                                                  \
                                                                                                                       \
    static int64_t triangular_units_##T(const KernelArgs *a)                                                           \
    {                                                                                                                  \
        return a->size[0] * divide_up(a->size[2], COLUMNS(type));                                                      \
    }

/* data = matrices, which are used up, right sides that become the solutions, orders (int32); size = {matrices, rows, right sides}.
 * Gauss's elimination, the largest of each column first, on both sides at once. A matrix with no pivot left has its order for an
 * order, and NaN for solutions. An inverse solves for the identity. */
#define SOLVE(T, type)                                                                                                 \
    ALWAYS_INLINE void swap_rows_##T(type *restrict x, type *restrict y, int64_t count)                                \
    {                                                                                                                  \
        for (int64_t j = 0; j < count; j++) {                                                                          \
            type kept = x[j];                                                                                          \
            x[j] = y[j];                                                                                               \
            y[j] = kept;                                                                                               \
        }                                                                                                              \
    }                                                                                                                  \
                                                                                                                       \
    static int32_t eliminate_##T(type *A, type *X, int64_t n, int64_t m)                                               \
    {                                                                                                                  \
        for (int64_t k = 0; k < n; k++) {                                                                              \
            int64_t pivot = k;                                                                                         \
            type largest = (type)fabs((double)A[k * n + k]);                                                           \
            for (int64_t i = k + 1; i < n && largest == largest; i++) {                                                \
                type x = (type)fabs((double)A[i * n + k]);                                                             \
                if (!(x <= largest)) {      /* NaN as well, which is no reason to call the matrix singular */          \
                    largest = x;                                                                                       \
                    pivot = i;                                                                                         \
                }                                                                                                      \
            }                                                                                                          \
            if (largest == 0) {                                                                                        \
                fill_nan_##T(X, n * m);                                                                                \
                return (int32_t)n;                                                                                     \
            }                                                                                                          \
            if (pivot != k) {                                                                                          \
                swap_rows_##T(A + k * n + k, A + pivot * n + k, n - k);                                                \
                swap_rows_##T(X + k * m, X + pivot * m, m);                                                            \
            }                                                                                                          \
            for (int64_t i = k + 1; i < n; i++) {                                                                      \
                type factor = A[i * n + k] / A[k * n + k];                                                             \
                subtract_##T(A + i * n + k + 1, A + k * n + k + 1, factor, n - k - 1);                                 \
                subtract_##T(X + i * m, X + k * m, factor, m);                                                         \
            }                                                                                                          \
        }                                                                                                              \
        for (int64_t at = 0; at < m; at += COLUMNS(type)) {                                                            \
            solve_block_##T(A, X + at, n, m, m - at, 1, 0);                                                            \
        }                                                                                                              \
        return 0;                                                                                                      \
    }                                                                                                                  \
                                                                                                                       \
    static void solve_##T(const KernelArgs *a, int64_t from, int64_t to)                                               \
    {                                                                                                                  \
        int64_t n = a->size[1], m = a->size[2];                                                                        \
        for (int64_t u = from; u < to; u++) {                                                                          \
            ((int32_t *)a->data[2])[u] = eliminate_##T((type *)a->data[0] + u * n * n, (type *)a->data[1] + u * n * m, n, m); \
        }                                                                                                              \
    }                                                                                                                  \
                                                                                                                       \
    static void inv_##T(const KernelArgs *a, int64_t from, int64_t to)                                                 \
    {                                                                                                                  \
        int64_t n = a->size[1];                                                                                        \
        for (int64_t u = from; u < to; u++) {                                                                          \
            type *X = (type *)a->data[1] + u * n * n;                                                                  \
            memset(X, 0, (size_t)(n * n) * sizeof(type));                                                              \
            for (int64_t i = 0; i < n; i++) {                                                                          \
                X[i * n + i] = 1;                                                                                      \
            }                                                                                                          \
            ((int32_t *)a->data[2])[u] = eliminate_##T((type *)a->data[0] + u * n * n, X, n, n);                       \
        }                                                                                                              \
    }

#define SYSTEMS(T, type)                                                                                               \
    SUBTRACT(T, type)                                                                                                  \
    CHOLESKY(T, type)                                                                                                  \
    TRIANGULAR(T, type)                                                                                                \
    SOLVE(T, type)

SYSTEMS(f32, float)
SYSTEMS(f64, double)

#define TRIANGULAR_LINE(dtype, T)                                                                                      \
    {"solve_triangular", dtype, solve_triangular_##T, .cost = 3, .inputs = 2, .in_place = 1 << 1, .settings = ": upper unit", \
     .operands = "matrix=abb solution=abc", .units = triangular_units_##T},

const Kernel LEVEL(system_entries)[] = {
    BOTH_FLOATS(cholesky, 10, 20, .inputs = 1, .outputs = 2, .operands = "input=abb out=abb order=i32:a")
    TRIANGULAR_LINE(DT_F32, f32)
    TRIANGULAR_LINE(DT_F64, f64)
    BOTH_FLOATS(solve, 10, 20, .inputs = 2, .outputs = 1, .in_place = 1 | 1 << 1,
                .operands = "matrix=abb solution=abc order=i32:a")
    BOTH_FLOATS(inv, 20, 40, .inputs = 1, .outputs = 2, .in_place = 1, .operands = "matrix=abb out=abb order=i32:a")
    {NULL},
};
