/* Vectors by GCC's extension, as wide as the registers of the instruction set that is compiled for. */
#ifndef ACTIONBENCH_VECTOR_H
#define ACTIONBENCH_VECTOR_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if !defined(__GNUC__)
#error "the kernels need a compiler with the vector types of GCC: gcc or clang"
#endif

#ifdef DOUBLE
typedef double real;
typedef int64_t integer;
#else
typedef float real;
typedef int32_t integer;
#endif

#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#elif defined(__AVX__)
#define VECTOR_BYTES 32
#else
#define VECTOR_BYTES 16
#endif
#define LANES ((int)(VECTOR_BYTES / sizeof(real)))

/* As many sums as registers hold besides their operands: ROWS of a tile with two vectors each, OUTPUTS of a row that
   slides along pixels, and SLIDES, rows of three taps whose gradients are summed. */
#if defined(__AVX512F__) || defined(__aarch64__)
#define ROWS 14
#define OUTPUTS 16
#define SLIDES 9
#else
#define ROWS 6
#define OUTPUTS 8
#define SLIDES 3
#endif
#define FEW (ROWS / 3)
/* Loops over sums must be unrolled, else the sums are not in registers. */
#define EACH _Pragma("GCC unroll 32") for

typedef real vec __attribute__((vector_size(VECTOR_BYTES)));
typedef real unaligned_vec __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(real)), may_alias));

static inline vec zeros(void) { return (vec){0}; }
static inline vec broadcast(real value) { return value - (vec){0}; }
static inline vec load(const real *p) { return *(const unaligned_vec *)p; }
static inline void store(real *p, vec v) { *(unaligned_vec *)p = v; }

#if defined(__SSE2__)
#include <immintrin.h>
#endif
#if defined(__AVX512F__)
/* Half a vector, where that is known at compile time, is loaded without a mask: a masked load across a cache line is slow. */
#define IS_HALF(n) (__builtin_constant_p(n) && (n) == LANES / 2)
#define MASK_OF(n) ((n) >= LANES ? (1u << LANES) - 1 : (1u << (n)) - 1)
static inline vec load_some(const real *p, int n) {
    if (IS_HALF(n)) return (vec)_mm512_zextps256_ps512(_mm256_loadu_ps((const float *)p));
    return sizeof(real) == 4 ? (vec)_mm512_maskz_loadu_ps((__mmask16)MASK_OF(n), p)
                             : (vec)_mm512_maskz_loadu_pd((__mmask8)MASK_OF(n), p);
}
static inline void store_some(real *p, vec v, int n) {
    if (IS_HALF(n))
        _mm256_storeu_ps((float *)p, _mm512_castps512_ps256((__m512)v));
    else if (sizeof(real) == 4)
        _mm512_mask_storeu_ps(p, (__mmask16)MASK_OF(n), (__m512)v);
    else
        _mm512_mask_storeu_pd(p, (__mmask8)MASK_OF(n), (__m512d)v);
}
#else
static inline vec load_some(const real *p, int n) {
    vec v = {0};
    if (n >= LANES) return load(p);
    for (int i = 0; i < n; i++) v[i] = p[i];
    return v;
}
static inline void store_some(real *p, vec v, int n) {
    if (n >= LANES)
        store(p, v);
    else
        for (int i = 0; i < n; i++) p[i] = v[i];
}
#endif

/* The first n lanes of a vector: their mask is made once for many loads and stores. */
#if defined(__AVX512F__)
#ifdef DOUBLE
typedef __mmask8 part;
static inline vec load_part(const real *p, part m) { return (vec)_mm512_maskz_loadu_pd(m, p); }
static inline void store_part(real *p, vec v, part m) { _mm512_mask_storeu_pd(p, m, (__m512d)v); }
#else
typedef __mmask16 part;
static inline vec load_part(const real *p, part m) { return (vec)_mm512_maskz_loadu_ps(m, p); }
static inline void store_part(real *p, vec v, part m) { _mm512_mask_storeu_ps(p, m, (__m512)v); }
#endif
static inline part part_of(int n) { return (part)MASK_OF(n); }
#else
typedef int part;
static inline part part_of(int n) { return n; }
static inline vec load_part(const real *p, part n) { return load_some(p, n); }
static inline void store_part(real *p, vec v, part n) { store_some(p, v, n); }
#endif

/* Integers as wide as the floating-point type, and blends by comparison. */
typedef integer ivec __attribute__((vector_size(VECTOR_BYTES)));

#if defined(__AVX512F__)
#ifdef DOUBLE
typedef __mmask8 chosen;
static inline chosen above(vec a, vec b) { return _mm512_cmp_pd_mask((__m512d)a, (__m512d)b, _CMP_GT_OQ); }
static inline chosen same(ivec a, ivec b) { return _mm512_cmpeq_epi64_mask((__m512i)a, (__m512i)b); }
static inline vec blend(chosen c, vec a, vec b) { return (vec)_mm512_mask_blend_pd(c, (__m512d)b, (__m512d)a); }
static inline ivec blend_integer(chosen c, ivec a, ivec b) {
    return (ivec)_mm512_mask_blend_epi64(c, (__m512i)b, (__m512i)a);
}
static inline chosen missing(vec a) { return _mm512_cmp_pd_mask((__m512d)a, (__m512d)a, _CMP_UNORD_Q); }
static inline chosen exceeds(vec a, vec b) {
    chosen number = _mm512_cmp_pd_mask((__m512d)b, (__m512d)b, _CMP_ORD_Q);
    return _mm512_mask_cmp_pd_mask(number, (__m512d)a, (__m512d)b, _CMP_NLE_UQ);
}
#else
typedef __mmask16 chosen;
static inline chosen above(vec a, vec b) { return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_GT_OQ); }
static inline chosen same(ivec a, ivec b) { return _mm512_cmpeq_epi32_mask((__m512i)a, (__m512i)b); }
static inline vec blend(chosen c, vec a, vec b) { return (vec)_mm512_mask_blend_ps(c, (__m512)b, (__m512)a); }
static inline ivec blend_integer(chosen c, ivec a, ivec b) {
    return (ivec)_mm512_mask_blend_epi32(c, (__m512i)b, (__m512i)a);
}
static inline chosen missing(vec a) { return _mm512_cmp_ps_mask((__m512)a, (__m512)a, _CMP_UNORD_Q); }
static inline chosen exceeds(vec a, vec b) {
    chosen number = _mm512_cmp_ps_mask((__m512)b, (__m512)b, _CMP_ORD_Q);
    return _mm512_mask_cmp_ps_mask(number, (__m512)a, (__m512)b, _CMP_NLE_UQ);
}
#endif
#else
typedef ivec chosen;
static inline chosen above(vec a, vec b) { return a > b; }
static inline chosen same(ivec a, ivec b) { return a == b; }
static inline chosen missing(vec a) { return a != a; }
static inline chosen exceeds(vec a, vec b) { return ~(a <= b) & (b == b); }
static inline ivec blend_integer(chosen c, ivec a, ivec b) { return (c & a) | (~c & b); }
static inline vec blend(chosen c, vec a, vec b) { return (vec)blend_integer(c, (ivec)a, (ivec)b); }
#endif
static inline ivec broadcast_integer(integer value) { return value - (ivec){0}; }
/* Indices are 32 bits wide, whatever the type. */
#if defined(__AVX512F__)
static inline ivec load_indices(const int *p, int n) {
#ifdef DOUBLE
    return (ivec)_mm512_cvtepi32_epi64(_mm256_maskz_loadu_epi32((__mmask8)MASK_OF(n), p));
#else
    return IS_HALF(n) ? (ivec)load_some((const real *)p, n) : (ivec)_mm512_maskz_loadu_epi32((__mmask16)MASK_OF(n), p);
#endif
}
static inline void store_indices(int *p, ivec v, int n) {
#ifdef DOUBLE
    _mm512_mask_cvtepi64_storeu_epi32(p, (__mmask8)MASK_OF(n), (__m512i)v);
#else
    if (IS_HALF(n))
        store_some((real *)p, (vec)v, n);
    else
        _mm512_mask_storeu_epi32(p, (__mmask16)MASK_OF(n), (__m512i)v);
#endif
}
#else
typedef int32_t indices __attribute__((vector_size(VECTOR_BYTES / sizeof(real) * 4), aligned(4), may_alias));
static inline ivec load_indices(const int *p, int n) {
    ivec v = {0};
    if (n >= LANES) return __builtin_convertvector(*(const indices *)p, ivec);
    for (int i = 0; i < n; i++) v[i] = p[i];
    return v;
}
static inline void store_indices(int *p, ivec v, int n) {
    if (n >= LANES)
        *(indices *)p = __builtin_convertvector(v, indices);
    else
        for (int i = 0; i < n; i++) p[i] = (int)v[i];
}
#endif
/* The larger one; the second where either is NaN. The compiler does not find the one instruction for it. */
static inline vec larger(vec a, vec b) {
#if defined(__AVX512F__)
    return sizeof(real) == 4 ? (vec)_mm512_max_ps((__m512)a, (__m512)b) : (vec)_mm512_max_pd((__m512d)a, (__m512d)b);
#elif defined(__AVX__)
    return sizeof(real) == 4 ? (vec)_mm256_max_ps((__m256)a, (__m256)b) : (vec)_mm256_max_pd((__m256d)a, (__m256d)b);
#elif defined(__SSE2__)
    return sizeof(real) == 4 ? (vec)_mm_max_ps((__m128)a, (__m128)b) : (vec)_mm_max_pd((__m128d)a, (__m128d)b);
#else
    return blend(above(a, b), a, b);
#endif
}

/* The larger one; NaN where either is. (`exceeds`, above, says where a is larger than b or the first of the two to be NaN.) */
static inline vec maximum(vec a, vec b) { return blend(missing(a), a, larger(a, b)); }

/* From each of two vectors the lanes from `first` on, in turns. */
static inline vec interleaved(vec a, vec b, int first) {
#if defined(__clang__)
    vec v;
    EACH (int i = 0; i < LANES; i++) v[i] = (i % 2 ? b : a)[first + i / 2];
    return v;
#else
    ivec places;
    EACH (int i = 0; i < LANES; i++) places[i] = first + i / 2 + i % 2 * LANES;
    return __builtin_shuffle(a, b, places);
#endif
}

/* Write n columns of LANES rows, a row each. */
static inline void turn(const real *from, ptrdiff_t from_stride, ptrdiff_t n, real *to, ptrdiff_t to_stride) {
    ptrdiff_t k = 0;
    for (; k + LANES <= n; k += LANES) {
        vec rows[LANES], mixed[LANES];
        EACH (int i = 0; i < LANES; i++) rows[i] = load(from + i * from_stride + k);
        EACH (int times = 1; times < LANES; times *= 2) {
            EACH (int i = 0; i < LANES; i++) mixed[i] = interleaved(rows[i / 2], rows[(i + LANES) / 2], i % 2 * LANES / 2);
            EACH (int i = 0; i < LANES; i++) rows[i] = mixed[i];
        }
        EACH (int i = 0; i < LANES; i++) store(to + (k + i) * to_stride, rows[i]);
    }
    for (; k < n; k++)
        for (int i = 0; i < LANES; i++) to[k * to_stride + i] = from[i * from_stride + k];
}

/* The sum, halves added to halves. */
static inline real total(vec v) {
    real part[LANES];
    memcpy(part, &v, sizeof v);
    for (int n = LANES / 2; n > 0; n /= 2)
        for (int i = 0; i < n; i++) part[i] += part[i + n];
    return part[0];
}

/* The exponential. Single precision: Cody and Waite's reduction and the polynomial of Cephes' expf, about 1e-7. */
#ifdef DOUBLE
#include <math.h>
static inline vec exponential(vec x) {
    vec y;
    for (int i = 0; i < LANES; i++) y[i] = exp(x[i]);
    return y;
}
static inline vec hyperbolic_tangent(vec x) {
    vec y;
    for (int i = 0; i < LANES; i++) y[i] = tanh(x[i]);
    return y;
}
#else
static inline vec exponential(vec x) {
    x = larger(broadcast(-87.0f), -larger(broadcast(-87.0f), -x));
    vec turns = (x * 1.44269504f + 12582912.0f) - 12582912.0f;
    vec r = (x - turns * 0.693359375f) + turns * 2.12194440e-4f;
    vec y = r * 1.9875691500e-4f + 1.3981999507e-3f;
    y = y * r + 8.3334519073e-3f;
    y = y * r + 4.1665795894e-2f;
    y = y * r + 1.6666665459e-1f;
    y = y * r + 5.0000001201e-1f;
    y = y * r * r + r + 1.0f;
    return y * (vec)((__builtin_convertvector(turns, ivec) + 127) << 23);
}
/* Near zero the polynomial of Cephes' tanhf, elsewhere from the exponential. */
static inline vec hyperbolic_tangent(vec x) {
    vec square = x * x;
    vec y = square * -5.70498872745e-3f + 2.06390887954e-2f;
    y = y * square - 5.37397155531e-2f;
    y = y * square + 1.33314422036e-1f;
    y = y * square - 3.33332819422e-1f;
    y = y * square * x + x;
    return blend(above(broadcast(0.390625f), square), y, 1.0f - 2.0f / (exponential(x + x) + 1.0f));
}
#endif
static inline vec logistic(vec x) { return 1 / (1 + exponential(-x)); }

static inline void prefetch(const real *p) { __builtin_prefetch(p); }

/* Blocks of memory. Freed ones are kept for reuse, as fresh memory costs more than most uses of it. With the GIL held. */
#define MAX_KEPT 8
#define MAX_BYTES ((size_t)1 << 26)
#define MAX_SLACK 8
static size_t *kept[MAX_KEPT];

/* A block may be larger than was asked for. Where all are too small the new one replaces the largest of them, so that not
   every size that was ever needed is kept. */
static inline void *new_block(size_t bytes) {
    int best = -1, below = -1;
    for (int i = 0; i < MAX_KEPT; i++) {
        if (!kept[i]) continue;
        if (kept[i][0] < bytes)
            below = below < 0 || kept[i][0] > kept[below][0] ? i : below;
        else if (kept[i][0] / MAX_SLACK <= bytes)
            best = best < 0 || kept[i][0] < kept[best][0] ? i : best;
    }
    int taken = best < 0 && bytes <= MAX_BYTES ? below : best;
    size_t *block = taken < 0 ? NULL : kept[taken];
    if (block) kept[taken] = NULL;
    if (best < 0) {
        free(block);
        if ((block = aligned_alloc(64, (bytes + 191) / 64 * 64))) block[0] = (bytes + 63) / 64 * 64;
    }
    return block ? block + 64 / sizeof(size_t) : NULL;
}

static inline void free_block(void *p) {
    if (!p) return;
    size_t *block = (size_t *)p - 64 / sizeof(size_t);
    for (int i = 0; i < MAX_KEPT && block && block[0] <= MAX_BYTES; i++) {
        size_t *other = kept[i];
        if (!other || other[0] < block[0]) {
            kept[i] = block;
            block = other;
        }
    }
    free(block);
}

#endif
