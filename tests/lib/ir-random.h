/* ir-random.h - random IR programs for ir_guest, to compare two ways of running them. The same seed gives
 * the same program. Programs are valid (tcg_verify), branch forward only, and always end in an exit. */
#ifndef TESTS_LIB_IR_RANDOM_H
#define TESTS_LIB_IR_RANDOM_H

#include "tests/lib/ir-guest.h"

enum {
    IR_RANDOM_HOST_MEM = 1, /* loads and stores in env's scratch area */
    IR_RANDOM_GUEST_MEM = 2,
    IR_RANDOM_CALLS = 4,
    IR_RANDOM_BRANCHES = 8,
    IR_RANDOM_VECTORS = 16, /* SSE2 only */
    IR_RANDOM_ALL = 31,
    IR_RANDOM_LOOP = 32, /* not with branches: jumps back to its own start, IR_LOOP_EIP, while TcgEnvHead.pad is not zero after decrementing it */
    IR_LOOP_EIP = 0x1000,
};

/* Appends about nb_ops ops and an exit to s, which tcg_begin() has just reset. */
void ir_random_program(TcgContext *s, GRand *r, unsigned nb_ops, unsigned features);

#endif
