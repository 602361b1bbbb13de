/* Threads of a parallel region that wait for each other in the middle of their work, many times in a few microseconds. */
#ifndef ACTIONBENCH_TEAM_H
#define ACTIONBENCH_TEAM_H

#include <sched.h>
#include <stddef.h>

#if defined(_OPENMP)
#include <omp.h>
static inline int team_size(void) { return omp_get_num_threads(); }
#else
static inline int team_size(void) { return 1; }
#endif

/* Come, and go on when so many have come. OpenMP's own barrier asks the system to wake those who wait, which takes longer. */
static inline void meet(ptrdiff_t *arrived, ptrdiff_t wanted) {
    int looks = 0;
    if (__atomic_add_fetch(arrived, 1, __ATOMIC_ACQ_REL) >= wanted) return;
    while (__atomic_load_n(arrived, __ATOMIC_ACQUIRE) < wanted) {
#if defined(__SSE2__)
        __builtin_ia32_pause();
#endif
        /* Who is missing may need this processor. */
        if (++looks > 1000) sched_yield();
    }
}

#endif
