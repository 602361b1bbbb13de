/* The entry of a hot kernel's extension module: an ImportError where the processor lacks the instruction set of the
   rest of the module, before any of it runs. This file alone is compiled without that set. */
#include <Python.h>

#include "processor.h"

#define JOIN_EXPANDED(a, b) a##b
#define JOIN(a, b) JOIN_EXPANDED(a, b)
#define TEXT_EXPANDED(a) #a
#define TEXT(a) TEXT_EXPANDED(a)

PyMODINIT_FUNC JOIN(PyInit_, KERNEL)(void);

PyMODINIT_FUNC JOIN(PyInit_, MODULE)(void) {
    if (!JOIN(has_, SET)()) {
        PyErr_SetString(PyExc_ImportError, TEXT(MODULE) " is compiled for " TEXT(SET) ", which this processor lacks");
        return NULL;
    }
    return JOIN(PyInit_, KERNEL)();
}
