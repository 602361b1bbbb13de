"""Steps of optimisers on flat vectors: one pass over memory each."""

from cython.parallel cimport prange
from libc.math cimport sqrt
from libc.string cimport memset

from vector cimport real

cdef enum:
    PART = 1 << 14  # values of a unit of work


cdef inline Py_ssize_t n_parts(Py_ssize_t size) noexcept nogil:
    return (size + PART - 1) // PART


def clear(real[::1] a, int threads):
    """Write zeros."""
    cdef Py_ssize_t i, size = a.shape[0]
    for i in prange(n_parts(size), nogil=True, num_threads=threads, schedule="static"):
        memset(&a[i * PART], 0, min(PART, size - i * PART) * sizeof(real))


cdef void descend_part(real* x, const real* gradient, real rate, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        x[i] -= rate * gradient[i]


def descend(real[::1] x, const real[::1] gradient, double rate, int threads):
    """Subtract ``rate * gradient``."""
    cdef Py_ssize_t i, size = x.shape[0]
    for i in prange(n_parts(size), nogil=True, num_threads=threads, schedule="static"):
        descend_part(&x[i * PART], &gradient[i * PART], <real> rate, min(PART, size - i * PART))


cdef void adam_part(real* x, const real* gradient, real* first, real* second, const real* decay, real shrink, real beta1,
                    real beta2, real epsilon, real rate, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    cdef real g
    for i in range(n):
        g = gradient[i]
        first[i] = first[i] * beta1 + (1 - beta1) * g
        second[i] = second[i] * beta2 + (1 - beta2) * (g * g)
    if decay != NULL:
        for i in range(n):
            x[i] *= 1 - shrink * decay[i]
    for i in range(n):
        x[i] -= first[i] / (<real> sqrt(second[i]) + epsilon) * rate


def adam(real[::1] x, const real[::1] gradient, real[::1] first, real[::1] second, const real[::1] decay, double shrink,
         double beta1, double beta2, double epsilon, double rate, int threads):
    """Take the step of Adam: x times ``1 - shrink * decay``, unless that is empty, minus ``rate * first / (√second + ε)``."""
    cdef Py_ssize_t i, size = x.shape[0]
    for i in prange(n_parts(size), nogil=True, num_threads=threads, schedule="static"):
        adam_part(&x[i * PART], &gradient[i * PART], &first[i * PART], &second[i * PART],
                  &decay[i * PART] if decay.shape[0] else NULL, <real> shrink, <real> beta1, <real> beta2, <real> epsilon,
                  <real> rate, min(PART, size - i * PART))
