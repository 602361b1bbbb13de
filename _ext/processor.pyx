"""What the processor can do."""

cdef extern from "processor.h":
    int has_avx2() noexcept nogil
    int has_avx512() noexcept nogil


def instruction_sets():
    """Return the instruction sets that kernels may use here, the best first."""
    return [name for name, has in (("avx512", has_avx512()), ("avx2", has_avx2()), ("generic", 1)) if has]
