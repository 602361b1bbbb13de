cdef extern from "vector.h" nogil:
    ctypedef float real
    ctypedef float vec
    ctypedef int whole
    ctypedef int ivec
    enum: LANES
    enum: ROWS
    enum: FEW
    enum: PLACES
    enum: SLIDES
    vec zeros()
    vec everywhere(real value)
    vec load(const real* p)
    vec load_some(const real* p, int n)
    void store(real* p, vec v)
    void store_some(real* p, vec v, int n)
    vec larger(vec a, vec b)
    vec either_real(ivec chosen, vec a, vec b)
    real total(vec v)
    vec hyperbolic_tangent(vec x)
    vec logistic(vec x)
    ivec everywhere_whole(whole value)
    ivec load_whole(const whole* p)
    void store_whole(whole* p, ivec v)
    ivec either(ivec chosen, ivec a, ivec b)
    void* new_block(size_t size)
    void free_block(void* p)
