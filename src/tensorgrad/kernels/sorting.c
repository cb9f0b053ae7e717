/* Order along the middle of {outer, length, inner}: sort, the largest few, the k-th, the most frequent, search.
 *
 * An element becomes an integer whose order is that of the elements, NaN last and equal to each other, as -0 is to 0. Beside
 * it, or for short types in the lower half of the same word, stands its index. So words differ, their order is the stable one,
 * and any way of sorting finds it. Lines that do not lie in memory as such are copied into some, a few side by side at a time. */
#include <string.h>

#include "entries.h"
#include "half.h"
#include "pool.h"

#define ABREAST 16                      /* columns copied into lines at once */
#define ROOM (4 << 20)                  /* bytes of such lines, unless one takes more */
#define SHORT_LINE 40                   /* words that are best sorted by insertion */
#define FEW 32                          /* of the largest few, which are kept in order while a line is read */
#define TOGETHER 1024                   /* elements of a unit, at least */
#define CHUNK 256

/* ---- keys */

#define KEY_i64(x) ((uint64_t)(x) ^ 0x8000000000000000u)
#define KEY_integer(x) ((uint32_t)(int32_t)(x) ^ 0x80000000u)

ALWAYS_INLINE uint32_t key_of_single(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits = x == 0 ? 0 : bits;
    bits = x != x ? 0x7fffffffu : bits;
    return bits ^ ((uint32_t)-(int32_t)(bits >> 31) | 0x80000000u);
}

ALWAYS_INLINE uint64_t key_of_double(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits = x == 0 ? 0 : bits;
    bits = x != x ? 0x7fffffffffffffffu : bits;
    return bits ^ ((uint64_t)-(int64_t)(bits >> 63) | 0x8000000000000000u);
}

#define NAN_KEY(code) ((code) == DT_F64 ? ~(uint64_t)0 : (uint64_t)0xffffffffu)
#define IS_WIDE(code) ((code) == DT_F64 || (code) == DT_I64)
#define IS_FLOAT(code) ((code) >= DT_F16)

#define KEYS(type, key)                                                                                                \
    for (int64_t i = 0; i < count; i++) {                                                                              \
        type x = ((const type *)in)[i];                                                                                \
        keys[i] = key ^ flip;                                                                                          \
    }                                                                                                                  \
    break;

/* Of types that are sorted less often: no vector code. */
SCALAR_LOOPS
static void keys_of_short(int code, const void *in, int64_t count, uint64_t flip, uint64_t *keys)
{
    switch (code) {
    case DT_BF16: KEYS(uint16_t, key_of_single(float_of_brain(x)))
    case DT_F16: KEYS(uint16_t, key_of_single(float_of_half(x)))
    case DT_I32: KEYS(int32_t, KEY_integer(x))
    case DT_I16: KEYS(int16_t, KEY_integer(x))
    case DT_I8: KEYS(int8_t, KEY_integer(x))
    case DT_U8: KEYS(uint8_t, KEY_integer(x))
    default: KEYS(uint8_t, KEY_integer(x != 0))
    }
}

/* The keys of some elements; those of the opposite order if `descending`. */
static NEVER_INLINE void keys_of(int code, const void *in, int64_t count, int descending, uint64_t *keys)
{
    uint64_t flip = !descending ? 0 : IS_WIDE(code) ? ~(uint64_t)0 : 0xffffffffu;
    switch (code) {
    case DT_F64: KEYS(double, key_of_double(x))
    case DT_F32: KEYS(float, key_of_single(x))
    case DT_I64: KEYS(int64_t, KEY_i64(x))
    default: keys_of_short(code, in, count, flip, keys);
    }
}

/* ---- words: a key and an index */

typedef struct Pair {
    uint64_t key, index;
} Pair;

#define LESS_narrow(a, b) ((a) < (b))
#define LESS_wide(a, b) ((a).key < (b).key || ((a).key == (b).key && (a).index < (b).index))
#define DIGIT_narrow(w, digit) ((w) >> (32 + 8 * (digit)) & 255)
#define DIGIT_wide(w, digit) ((w).key >> (8 * (digit)) & 255)
#define DIGITS_narrow 4
#define DIGITS_wide 8

ALWAYS_INLINE uint64_t word_narrow(uint64_t key, int64_t index)
{
    return key << 32 | (uint64_t)index;
}

ALWAYS_INLINE Pair word_wide(uint64_t key, int64_t index)
{
    Pair pair = {key, (uint64_t)index};
    return pair;
}

#define KEY_OF_narrow(w) ((w) >> 32)
#define KEY_OF_wide(w) ((w).key)
#define INDEX_OF_narrow(w) ((int64_t)((w) & 0xffffffffu))
#define INDEX_OF_wide(w) ((int64_t)(w).index)

enum { SORT, RANK, MODE };              /* what is asked of a line */
enum { MEDIAN = -1, NANMEDIAN = -2 };   /* in a rank's place: NaN where there is one, or what is not NaN alone */

typedef struct Line {
    const char *in;
    int64_t *indices;                   /* of the elements that are wanted, in order */
    int64_t count, wanted, rank;
    int descending;
} Line;

#define ORDER(kind, W)                                                                                                 \
    static void insert_##kind(W *words, int64_t count)                                                                 \
    {                                                                                                                  \
        for (int64_t i = 1; i < count; i++) {                                                                          \
            W word = words[i];                                                                                         \
            int64_t at = i;                                                                                            \
            for (; at > 0 && LESS_##kind(word, words[at - 1]); at--) {                                                 \
                words[at] = words[at - 1];                                                                             \
            }                                                                                                          \
            words[at] = word;                                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
                                                                                                                       \
    /* Sorts words whose equal keys are in order of their indices, digit by digit; gives where they are then. */       \
    static W *sort_##kind(W *words, W *other, int64_t count)                                                           \
    {                                                                                                                  \
        uint32_t numbers[DIGITS_##kind][256];                                                                          \
        if (count <= SHORT_LINE) {                                                                                     \
            insert_##kind(words, count);                                                                               \
            return words;                                                                                              \
        }                                                                                                              \
        memset(numbers, 0, sizeof numbers);                                                                            \
        for (int64_t i = 0; i < count; i++) {                                                                          \
            for (int d = 0; d < DIGITS_##kind; d++) {                                                                  \
                numbers[d][DIGIT_##kind(words[i], d)]++;                                                               \
            }                                                                                                          \
        }                                                                                                              \
        for (int d = 0; d < DIGITS_##kind; d++) {                                                                      \
            uint32_t before = 0, *number = numbers[d];                                                                 \
            if (number[DIGIT_##kind(words[0], d)] == count) {                                                          \
                continue;                                                                                              \
            }                                                                                                          \
            for (int i = 0; i < 256; i++) {                                                                            \
                uint32_t here = number[i];                                                                             \
                number[i] = before;                                                                                    \
                before += here;                                                                                        \
            }                                                                                                          \
            for (int64_t i = 0; i < count; i++) {                                                                      \
                other[number[DIGIT_##kind(words[i], d)]++] = words[i];                                                 \
            }                                                                                                          \
            W *swapped = words;                                                                                        \
            words = other;                                                                                             \
            other = swapped;                                                                                           \
        }                                                                                                              \
        return words;                                                                                                  \
    }                                                                                                                  \
                                                                                                                       \
    /* Brings the word of a rank to its place, smaller ones before it and larger ones behind it. */                    \
    static void select_##kind(W *words, W *other, int64_t count, int64_t rank)                                         \
    {                                                                                                                  \
        int64_t from = 0, to = count;                                                                                  \
        for (int d = DIGITS_##kind - 1; d >= 0 && to - from > SHORT_LINE; d--) {                                       \
            uint32_t number[256] = {0};                                                                                \
            for (int64_t i = from; i < to; i++) {                                                                      \
                number[DIGIT_##kind(words[i], d)]++;                                                                   \
            }                                                                                                          \
            int64_t before = from;                                                                                     \
            uint32_t digit = 0;                                                                                        \
            while (before + number[digit] <= rank) {                                                                   \
                before += number[digit++];                                                                             \
            }                                                                                                          \
            int64_t behind = before + number[digit];                                                                   \
            if (behind - before == to - from) {                                                                        \
                continue;                                                                                              \
            }                                                                                                          \
            int64_t place[3] = {from, before, behind};                                                                 \
            for (int64_t i = from; i < to; i++) {                                                                      \
                uint32_t its = (uint32_t)DIGIT_##kind(words[i], d);                                                    \
                other[place[(its >= digit) + (its > digit)]++] = words[i];                                             \
            }                                                                                                          \
            memcpy(words + from, other + from, (size_t)(to - from) * sizeof(W));                                       \
            from = before;                                                                                             \
            to = behind;                                                                                               \
        }                                                                                                              \
        if (to - from <= SHORT_LINE) {                                                                                 \
            insert_##kind(words + from, to - from);                                                                    \
        }                                                                                                              \
    }                                                                                                                  \
                                                                                                                       \
    static void words_##kind(int code, const char *in, int64_t count, int descending, W *words)                        \
    {                                                                                                                  \
        uint64_t keys[CHUNK];                                                                                          \
        for (int64_t i = 0; i < count; i += CHUNK) {                                                                   \
            int64_t n = count - i < CHUNK ? count - i : CHUNK;                                                         \
            keys_of(code, in + i * kernel_dtype(code)->bytes, n, descending, keys);                                    \
            for (int64_t k = 0; k < n; k++) {                                                                          \
                words[i + k] = word_##kind(keys[k], i + k);                                                            \
            }                                                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
                                                                                                                       \
    /* The first few in order, kept so while the line is read; 0 where they had to move too often, as in a line that is   \
       sorted the wrong way. */                                                                                        \
    static int few_##kind(int code, const char *in, int64_t count, int descending, int64_t few, W *words)             \
    {                                                                                                                  \
        uint64_t keys[CHUNK], last = 0;                                                                                \
        int64_t have = 0, moved = 0;                                                                                   \
        for (int64_t i = 0; i < count; i += CHUNK) {                                                                   \
            if (moved > 4 * count) {                                                                                   \
                return 0;                                                                                              \
            }                                                                   \
            int64_t n = count - i < CHUNK ? count - i : CHUNK;                                                         \
            keys_of(code, in + i * kernel_dtype(code)->bytes, n, descending, keys);                                    \
            for (int64_t k = 0; k < n; k++) {                                                                          \
                if (have == few && keys[k] >= last) {                                                                  \
                    continue;                                                                                          \
                }                                                                                                      \
                W word = word_##kind(keys[k], i + k);                                                                  \
                int64_t at = have < few ? have++ : few - 1;                                                            \
                for (; at > 0 && keys[k] < KEY_OF_##kind(words[at - 1]); at--) {                                       \
                    words[at] = words[at - 1];                                                                         \
                }                                                                                                      \
                moved += have - 1 - at;                                                                                \
                words[at] = word;                                                                                      \
                last = KEY_OF_##kind(words[have - 1]);                                                                 \
            }                                                                                                          \
        }                                                                                                              \
        return 1;                                                                                                      \
    }                                                                                                                  \
                                                                                                                       \
    static void sort_line_##kind(int code, const Line *line, W *words)                                                 \
    {                                                                                                                  \
        int64_t count = line->count, wanted = line->wanted;                                                            \
        W *other = words + count, *found = words;                                                                      \
        if (!(wanted <= FEW && wanted < count && few_##kind(code, line->in, count, line->descending, wanted, words))) { \
            words_##kind(code, line->in, count, line->descending, words);                                              \
            if (2 * wanted < count) {                                                                                  \
                select_##kind(words, other, count, wanted - 1);                                                        \
            }                                                                                                          \
            found = sort_##kind(words, other, 2 * wanted < count ? wanted : count);                                    \
        }                                                                                                              \
        for (int64_t i = 0; i < wanted; i++) {                                                                         \
            line->indices[i] = INDEX_OF_##kind(found[i]);                                                              \
        }                                                                                                              \
    }                                                                                                                  \
                                                                                                                       \
    static void rank_line_##kind(int code, const Line *line, W *words)                                                 \
    {                                                                                                                  \
        int64_t count = line->count, rank = line->rank, nans = 0;                                                      \
        if (rank >= 0 && rank < FEW && few_##kind(code, line->in, count, 0, rank + 1, words)) {                        \
            line->indices[0] = INDEX_OF_##kind(words[rank]);                                                           \
            return;                                                                                                    \
        }                                                                                                              \
        words_##kind(code, line->in, count, 0, words);                                                                 \
        if (rank < 0) {                                                                                                \
            for (int64_t i = 0; i < count && IS_FLOAT(code); i++) {                                                    \
                nans += KEY_OF_##kind(words[i]) == NAN_KEY(code);                                                      \
            }                                                                                                          \
            int64_t numbers = count - nans;                                                                            \
            rank = rank == MEDIAN && nans ? numbers : numbers ? (numbers - 1) / 2 : 0;                                 \
        }                                                                                                              \
        select_##kind(words, words + count, count, rank);                                                              \
        line->indices[0] = INDEX_OF_##kind(words[rank]);                                                               \
    }                                                                                                                  \
                                                                                                                       \
    static void mode_line_##kind(int code, const Line *line, W *words)                                                 \
    {                                                                                                                  \
        int64_t count = line->count, run = 0, most = 0;                                                                \
        words_##kind(code, line->in, count, 0, words);                                                                 \
        words = sort_##kind(words, words + count, count);                                                              \
        for (int64_t i = 0; i < count; i++) {                                                                          \
            uint64_t key = KEY_OF_##kind(words[i]);                                                                    \
            int again = i && key == KEY_OF_##kind(words[i - 1]) && !(IS_FLOAT(code) && key == NAN_KEY(code));          \
            run = again ? run + 1 : 1;                                                                                 \
            if (run > most) {                                                                                          \
                most = run;                                                                                            \
                line->indices[0] = INDEX_OF_##kind(words[i]);                                                          \
            }                                                                                                          \
        }                                                                                                              \
    }

ORDER(narrow, uint64_t)
ORDER(wide, Pair)

static void run_line(int what, int code, const Line *line, void *words)
{
    if (IS_WIDE(code)) {
        (what == SORT ? sort_line_wide : what == RANK ? rank_line_wide : mode_line_wide)(code, line, words);
    } else {
        (what == SORT ? sort_line_narrow : what == RANK ? rank_line_narrow : mode_line_narrow)(code, line, words);
    }
}

/* ---- lines */

#define EACH_WIDTH(bytes, body)                                                                                        \
    switch (bytes) {                                                                                                   \
    case 8: body(uint64_t)                                                                                             \
    case 4: body(uint32_t)                                                                                             \
    case 2: body(uint16_t)                                                                                             \
    default: body(uint8_t)                                                                                             \
    }

#define TURN(type)                                                                                                     \
    for (int64_t i = 0; i < count; i++) {                                                                              \
        for (int64_t l = 0; l < lines; l++) {                                                                          \
            ((type *)to)[l * count + i] = ((const type *)from)[i * inner + l];                                         \
        }                                                                                                              \
    }                                                                                                                  \
    break;

/* Columns that lie side by side, each as a line. */
static void columns_to_lines(char *to, const char *from, int64_t count, int64_t inner, int64_t lines, int bytes)
{
    EACH_WIDTH(bytes, TURN)
}

#define FOUND(type)                                                                                                    \
    for (int64_t i = 0; i < wanted; i++) {                                                                             \
        for (int64_t l = 0; l < lines; l++) {                                                                          \
            int64_t index = indices[l * wanted + i];                                                                   \
            ((type *)values)[i * inner + l] = ((const type *)in)[l * count + index];                                   \
            out[i * inner + l] = index;                                                                                \
        }                                                                                                              \
    }                                                                                                                  \
    break;

/* What was found in lines side by side, into columns of the results. */
static void found_in_lines(char *values, int64_t *out, const char *in, const int64_t *indices, int64_t count, int64_t wanted,
                           int64_t inner, int64_t lines, int bytes)
{
    EACH_WIDTH(bytes, FOUND)
}

static int64_t columns_at_once(const KernelArgs *a)
{
    int64_t fit = ROOM / (a->size[1] * 8 + 1);
    int64_t columns = fit < 1 ? 1 : fit < ABREAST ? fit : ABREAST;
    return columns < a->size[2] ? columns : a->size[2];
}

static int64_t outer_at_once(const KernelArgs *a)
{
    return TOGETHER / (a->size[1] + 1) + 1;
}

static int64_t units_of_lines(const KernelArgs *a)
{
    if (a->size[2] == 1) {
        return divide_up(a->size[0], outer_at_once(a));
    }
    return a->size[2] ? a->size[0] * divide_up(a->size[2], columns_at_once(a)) : 0;
}

static NEVER_INLINE void run_lines(const KernelArgs *a, int64_t from, int64_t to, int what, int code)
{
    int64_t count = a->size[1], inner = a->size[2], wanted = what == SORT ? a->size[3] : 1;
    int64_t columns = columns_at_once(a), bytes = kernel_dtype(code)->bytes;
    int64_t word = IS_WIDE(code) ? sizeof(Pair) : sizeof(uint64_t), turned = inner == 1 ? 0 : columns;
    char *words = pool_scratch((size_t)(2 * count * word + columns * wanted * 8 + turned * count * bytes + 64));
    if (!words) {
        pool_fail();
        return;
    }
    int64_t *indices = (int64_t *)(words + 2 * count * word);
    char *lines = (char *)(indices + columns * wanted);
    Line line = {NULL, indices, count, wanted, a->integer[0], (int)a->integer[0]};
    for (int64_t u = from; u < to; u++) {
        if (inner == 1) {
            int64_t outers = outer_at_once(a), last = (u + 1) * outers < a->size[0] ? (u + 1) * outers : a->size[0];
            for (int64_t o = u * outers; o < last; o++) {
                line.in = (const char *)a->data[0] + o * count * bytes;
                run_line(what, code, &line, words);
                found_in_lines((char *)a->data[1] + o * wanted * bytes, (int64_t *)a->data[2] + o * wanted, line.in, indices,
                               count, wanted, 1, 1, (int)bytes);
            }
            continue;
        }
        int64_t blocks = divide_up(inner, columns), outer = u / blocks, column = u % blocks * columns;
        int64_t here = inner - column < columns ? inner - column : columns;
        columns_to_lines(lines, (const char *)a->data[0] + (outer * count * inner + column) * bytes, count, inner, here,
                         (int)bytes);
        for (int64_t l = 0; l < here; l++) {
            line.in = lines + l * count * bytes;
            line.indices = indices + l * wanted;
            run_line(what, code, &line, words);
        }
        int64_t at = outer * wanted * inner + column;
        found_in_lines((char *)a->data[1] + at * bytes, (int64_t *)a->data[2] + at, lines, indices, count, wanted, inner, here,
                       (int)bytes);
    }
}

#define LINE_KERNELS(code, T, bits, digits)                                                                            \
    static void sort_##T(const KernelArgs *a, int64_t from, int64_t to)                                                \
    {                                                                                                                  \
        run_lines(a, from, to, SORT, DT_##code);                                                                       \
    }                                                                                                                  \
    static void mode_##T(const KernelArgs *a, int64_t from, int64_t to)                                                \
    {                                                                                                                  \
        run_lines(a, from, to, MODE, DT_##code);                                                                       \
    }

EVERY_DTYPE(LINE_KERNELS)

/* All but bool, which has no ranks. */
#define EVERY_NUMBER(row) \
    row(U8, u8) row(I8, i8) row(I16, i16) row(I32, i32) row(I64, i64) row(F16, f16) row(BF16, bf16) row(F32, f32) row(F64, f64)

#define RANK_KERNEL(code, T)                                                                                           \
    static void kthvalue_##T(const KernelArgs *a, int64_t from, int64_t to)                                            \
    {                                                                                                                  \
        run_lines(a, from, to, RANK, DT_##code);                                                                       \
    }

EVERY_NUMBER(RANK_KERNEL)

static const char *refuse_length(const KernelArgs *a)
{
    return a->size[1] >= (int64_t)1 << 31 ? "a line is too long" : NULL;
}

static const char *refuse_more_than_there_are(const KernelArgs *a)
{
    return a->size[3] > a->size[1] ? "more elements are wanted than there are" : refuse_length(a);
}

static const char *refuse_rank(const KernelArgs *a)
{
    int64_t rank = a->integer[0];
    return rank >= a->size[1] || rank < NANMEDIAN || !a->size[1] ? "there is no element of that rank" : refuse_length(a);
}

static const char *refuse_none(const KernelArgs *a)
{
    return a->size[1] ? refuse_length(a) : "there is no element";
}

/* ---- running extremes: the last of equal ones; NaN, once met, stays */

#define COLUMNS 64

static int64_t units_of_scans(const KernelArgs *a)
{
    int64_t inner = a->size[2];
    return inner == 1 ? divide_up(a->size[0], outer_at_once(a)) : a->size[0] * divide_up(inner, COLUMNS);
}

#define SCAN_EXTREME(T, type)                                                                                          \
    ALWAYS_INLINE void extreme_columns_##T(const type *x, type *values, int64_t *indices, int64_t length, int64_t step,\
                                           int64_t columns, int least)                                                 \
    {                                                                                                                  \
        type best[COLUMNS];                                                                                            \
        int64_t at[COLUMNS];                                                                                           \
        for (int64_t c = 0; c < columns; c++) {                                                                        \
            best[c] = x[c];                                                                                            \
            at[c] = 0;                                                                                                 \
        }                                                                                                              \
        for (int64_t i = 0; i < length; i++) {                                                                         \
            for (int64_t c = 0; c < columns; c++) {                                                                    \
                type each = x[c];                                                                                      \
                int met = (least ? each <= best[c] : each >= best[c]) || each != each;                                 \
                best[c] = met ? each : best[c];                                                                        \
                at[c] = met ? i : at[c];                                                                               \
                values[c] = best[c];                                                                                   \
                indices[c] = at[c];                                                                                    \
            }                                                                                                          \
            x += step;                                                                                                 \
            values += step;                                                                                            \
            indices += step;                                                                                           \
        }                                                                                                              \
    }                                                                                                                  \
    ALWAYS_INLINE void extreme_row_##T(const type *x, type *values, int64_t *indices, int64_t length, int least)       \
    {                                                                                                                  \
        type best = x[0];                                                                                              \
        int64_t at = 0;                                                                                                \
        for (int64_t i = 0; i < length; i++) {                                                                         \
            type each = x[i];                                                                                          \
            if ((least ? each <= best : each >= best) || each != each) {                                               \
                best = each;                                                                                           \
                at = i;                                                                                                \
            }                                                                                                          \
            values[i] = best;                                                                                          \
            indices[i] = at;                                                                                           \
        }                                                                                                              \
    }                                                                                                                  \
    static NEVER_INLINE void extremes_##T(const KernelArgs *a, int64_t from, int64_t to, int least)                    \
    {                                                                                                                  \
        int64_t length = a->size[1], inner = a->size[2], blocks = divide_up(inner, COLUMNS);                           \
        const type *x = a->data[0];                                                                                    \
        type *values = a->data[1];                                                                                     \
        int64_t *indices = a->data[2];                                                                                 \
        for (int64_t u = from; u < to && length; u++) {                                                                \
            if (inner == 1) {                                                                                          \
                int64_t outers = outer_at_once(a), last = (u + 1) * outers < a->size[0] ? (u + 1) * outers : a->size[0];\
                for (int64_t at = u * outers * length; at < last * length; at += length) {                             \
                    if (least) {                                                                                       \
                        extreme_row_##T(x + at, values + at, indices + at, length, 1);                                 \
                    } else {                                                                                           \
                        extreme_row_##T(x + at, values + at, indices + at, length, 0);                                 \
                    }                                                                                                  \
                }                                                                                                      \
                continue;                                                                                              \
            }                                                                                                          \
            int64_t column = u % blocks * COLUMNS, at = u / blocks * length * inner + column;                          \
            extreme_columns_##T(x + at, values + at, indices + at, length, inner,                                      \
                                inner - column < COLUMNS ? inner - column : COLUMNS, least);                           \
        }                                                                                                              \
    }                                                                                                                  \
    static void cummax_##T(const KernelArgs *a, int64_t from, int64_t to)                                              \
    {                                                                                                                  \
        extremes_##T(a, from, to, 0);                                                                                  \
    }                                                                                                                  \
    static void cummin_##T(const KernelArgs *a, int64_t from, int64_t to)                                              \
    {                                                                                                                  \
        extremes_##T(a, from, to, 1);                                                                                  \
    }

SCAN_EXTREME(f32, float)
SCAN_EXTREME(f64, double)
SCAN_EXTREME(i64, int64_t)

/* ---- search: where each value belongs in its sorted row, before its equals or behind them; NaN is the largest */

#define SEARCHED 512

static int64_t segments_to_search(const KernelArgs *a)
{
    int64_t segments = divide_up(a->size[0] * a->size[1], SEARCHED);
    return segments > 1 ? segments : 1;
}

#define SEARCH(T, type)                                                                                                \
    static void searchsorted_##T(const KernelArgs *a, int64_t from, int64_t to)                                        \
    {                                                                                                                  \
        int64_t each = a->size[1], length = a->size[2], count = a->size[0] * each, right = a->integer[0];              \
        int64_t last = to * SEARCHED < count ? to * SEARCHED : count;                                                  \
        for (int64_t i = from * SEARCHED; i < last; i++) {                                                             \
            type value = ((const type *)a->data[1])[i];                                                                \
            const type *row = (const type *)a->data[0] + i / each * length, *start = row;                              \
            int64_t left = length;                                                                                     \
            while (left > 0) {                                                                                         \
                int64_t half = (left + 1) / 2;                                                                         \
                type middle = row[half - 1];                                                                           \
                int behind = right ? middle <= value : middle < value;                                                 \
                row += behind ? half : 0;                                                                              \
                left = behind ? left - half : half - 1;                                                                \
            }                                                                                                          \
            ((int64_t *)a->data[2])[i] = value != value ? length : row - start;                                        \
        }                                                                                                              \
    }

SEARCH(f32, float)
SEARCH(f64, double)
SEARCH(i64, int64_t)

#define ALONG .inputs = 1, .outputs = 2, .units = units_of_lines

#define LINES(code, T, bits, digits)                                                                                   \
    {"sort", DT_##code, sort_##T, .cost = 8, ALONG, .settings = ": descending",                                        \
     .operands = "input=abc values=adc indices=i64:adc", .refuse = refuse_more_than_there_are},                        \
    {"mode", DT_##code, mode_##T, .cost = 8, ALONG,                                                                    \
     .operands = "input=abc values=ac indices=i64:ac", .refuse = refuse_none},

#define RANK_LINE(code, T)                                                                                             \
    {"kthvalue", DT_##code, kthvalue_##T, .cost = 5, ALONG, .settings = ": rank",                                      \
     .operands = "input=abc values=ac indices=i64:ac", .refuse = refuse_rank},

#define TYPE_LINES(code, T)                                                                                            \
    {"cummax", code, cummax_##T, .cost = 1, .inputs = 1, .outputs = 2,                                                 \
     .operands = "input=abc values=abc indices=i64:abc", .units = units_of_scans},                                     \
    {"cummin", code, cummin_##T, .cost = 1, .inputs = 1, .outputs = 2,                                                 \
     .operands = "input=abc values=abc indices=i64:abc", .units = units_of_scans},                                     \
    {"searchsorted", code, searchsorted_##T, .cost = 20, .inputs = 2, .outputs = 1, .settings = ": right",             \
     .operands = "sorted_sequence=ac input=ab out=i64:ab", .units = segments_to_search},

const Kernel LEVEL(order_entries)[] = {
    EVERY_DTYPE(LINES)
    EVERY_NUMBER(RANK_LINE)
    TYPE_LINES(DT_I64, i64)
    TYPE_LINES(DT_F32, f32)
    TYPE_LINES(DT_F64, f64)
    {NULL},
};
