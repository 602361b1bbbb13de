/* What the processor can do. Compiled without any instruction set beyond the portable one. */
#ifndef ACTIONBENCH_PROCESSOR_H
#define ACTIONBENCH_PROCESSOR_H

static inline int has_generic(void) { return 1; }
#if (defined(__GNUC__) || defined(__clang__)) && defined(__x86_64__)
static inline int has_avx2(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
static inline int has_avx512(void) {
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
        && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
#else
static inline int has_avx2(void) { return 0; }
static inline int has_avx512(void) { return 0; }
#endif

#endif
