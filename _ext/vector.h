/* Vectors of numbers as the compiler knows them, as wide as the instruction set that it was told. */
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
typedef int64_t whole;
#else
typedef float real;
typedef int32_t whole;
#endif

#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#elif defined(__AVX__)
#define VECTOR_BYTES 32
#else
#define VECTOR_BYTES 16
#endif
#define LANES ((int)(VECTOR_BYTES / sizeof(real)))

/* As many sums as registers hold beside what they are made of: rows of a tile with two vectors each, places of a row
   that slides along pixels, and rows of three taps whose gradients are summed. */
#if defined(__AVX512F__) || defined(__aarch64__)
#define ROWS 14
#define PLACES 16
#define SLIDES 9
#else
#define ROWS 6
#define PLACES 8
#define SLIDES 3
#endif
#define FEW (ROWS / 3)

typedef real vec __attribute__((vector_size(VECTOR_BYTES)));
typedef real unaligned_vec __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(real)), may_alias));

static inline vec zeros(void) { return (vec){0}; }
static inline vec everywhere(real value) { return value - (vec){0}; }
static inline vec load(const real *p) { return *(const unaligned_vec *)p; }
static inline void store(real *p, vec v) { *(unaligned_vec *)p = v; }

#if defined(__SSE2__)
#include <immintrin.h>
#endif
#if defined(__AVX512F__)
static inline vec load_some(const real *p, int n) {
    unsigned mask = n >= LANES ? (1u << LANES) - 1 : (1u << n) - 1;
    return sizeof(real) == 4 ? (vec)_mm512_maskz_loadu_ps((__mmask16)mask, p)
                             : (vec)_mm512_maskz_loadu_pd((__mmask8)mask, p);
}
static inline void store_some(real *p, vec v, int n) {
    unsigned mask = n >= LANES ? (1u << LANES) - 1 : (1u << n) - 1;
    if (sizeof(real) == 4)
        _mm512_mask_storeu_ps(p, (__mmask16)mask, (__m512)v);
    else
        _mm512_mask_storeu_pd(p, (__mmask8)mask, (__m512d)v);
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

/* Whole numbers as wide as the real ones: what comparisons give. */
typedef whole ivec __attribute__((vector_size(VECTOR_BYTES)));

static inline ivec either(ivec chosen, ivec a, ivec b) { return (chosen & a) | (~chosen & b); }
static inline vec either_real(ivec chosen, vec a, vec b) { return (vec)either(chosen, (ivec)a, (ivec)b); }
static inline ivec everywhere_whole(whole value) { return value - (ivec){0}; }
static inline ivec load_whole(const whole *p) {
    ivec v;
    memcpy(&v, p, sizeof v);
    return v;
}
static inline void store_whole(whole *p, ivec v) { memcpy(p, &v, sizeof v); }
/* The larger one; the second where either is no number. The compiler does not see the one instruction in the choice. */
static inline vec larger(vec a, vec b) {
#if defined(__AVX512F__)
    return sizeof(real) == 4 ? (vec)_mm512_max_ps((__m512)a, (__m512)b) : (vec)_mm512_max_pd((__m512d)a, (__m512d)b);
#elif defined(__AVX__)
    return sizeof(real) == 4 ? (vec)_mm256_max_ps((__m256)a, (__m256)b) : (vec)_mm256_max_pd((__m256d)a, (__m256d)b);
#elif defined(__SSE2__)
    return sizeof(real) == 4 ? (vec)_mm_max_ps((__m128)a, (__m128)b) : (vec)_mm_max_pd((__m128d)a, (__m128d)b);
#else
    return either_real(a > b, a, b);
#endif
}

static inline real total(vec v) {
    real sum = 0;
    for (int i = 0; i < LANES; i++) sum += v[i];
    return sum;
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
    x = larger(everywhere(-87.0f), -larger(everywhere(-87.0f), -x));
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
    return either_real(square < 0.390625f, y, 1.0f - 2.0f / (exponential(x + x) + 1.0f));
}
#endif
static inline vec logistic(vec x) { return 1 / (1 + exponential(-x)); }

/* Blocks of memory. Those given back wait on a shelf: fresh memory costs more than most uses of it. With the GIL held. */
#define SHELF 8
#define HEAVIEST ((size_t)1 << 26)
static size_t *shelf[SHELF];

static inline void *new_block(size_t bytes) {
    int best = -1;
    for (int i = 0; i < SHELF; i++)
        if (shelf[i] && shelf[i][0] >= bytes && shelf[i][0] / 2 <= bytes && (best < 0 || shelf[i][0] < shelf[best][0]))
            best = i;
    size_t *block = best < 0 ? NULL : shelf[best];
    if (block)
        shelf[best] = NULL;
    else if ((block = aligned_alloc(64, (bytes + 191) / 64 * 64)))
        block[0] = (bytes + 63) / 64 * 64;
    return block ? block + 64 / sizeof(size_t) : NULL;
}

static inline void free_block(void *p) {
    if (!p) return;
    size_t *block = (size_t *)p - 64 / sizeof(size_t);
    for (int i = 0; i < SHELF && block && block[0] <= HEAVIEST; i++) {
        size_t *other = shelf[i];
        if (!other || other[0] < block[0]) {
            shelf[i] = block;
            block = other;
        }
    }
    free(block);
}

#endif
