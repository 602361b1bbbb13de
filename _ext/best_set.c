/* Print the best instruction set of the machine that builds. */
#include <stdio.h>

#include "processor.h"

int main(void) {
    fputs(has_avx512() ? "avx512" : has_avx2() ? "avx2" : "generic", stdout);
    return 0;
}
