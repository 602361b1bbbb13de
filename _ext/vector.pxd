cdef extern from "vector.h" nogil:
    ctypedef float real
    ctypedef float vec
    ctypedef int integer
    ctypedef int ivec
    ctypedef int chosen
    ctypedef int part
    enum: LANES
    enum: ROWS
    enum: FEW
    enum: OUTPUTS
    enum: SLIDES
    vec zeros()
    vec broadcast(real value)
    vec load(const real* p)
    vec load_some(const real* p, int n)
    void store(real* p, vec v)
    part part_of(int n)
    vec load_part(const real* p, part n)
    void store_part(real* p, vec v, part n)
    void store_some(real* p, vec v, int n)
    vec larger(vec a, vec b)
    vec maximum(vec a, vec b)
    void turn(const real* rows, Py_ssize_t from_stride, Py_ssize_t n, real* to, Py_ssize_t to_stride)
    real total(vec v)
    vec hyperbolic_tangent(vec x)
    vec logistic(vec x)
    ivec broadcast_integer(integer value)
    ivec load_indices(const int* p, int n)
    void store_indices(int* p, ivec v, int n)
    chosen above(vec a, vec b)
    chosen exceeds(vec a, vec b)
    chosen same(ivec a, ivec b)
    vec blend(chosen c, vec a, vec b)
    ivec blend_integer(chosen c, ivec a, ivec b)
    void prefetch(const real* p)
    void* new_block(size_t size)
    void free_block(void* p)
