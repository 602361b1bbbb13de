cdef extern from "team.h" nogil:
    int team_size()
    void meet(Py_ssize_t* arrived, Py_ssize_t wanted)
