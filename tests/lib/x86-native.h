/* x86-native.h - run a snippet of x86-64 code on the host and on a Vireo CPU from the same state.
 *
 * Both see the same data at X86N_DATA. A snippet must not use the stack and must run through. A fault ends it:
 * vector says which, registers are those at the fault. */
#ifndef TESTS_LIB_X86_NATIVE_H
#define TESTS_LIB_X86_NATIVE_H

#include "target-x86/cpu.h"

enum { X86N_DATA = 0x10000000, X86N_DATA_SIZE = 0x4000, X86N_MAX_CODE = 2048 };

typedef struct X86NState {
    _Alignas(64) uint8_t fx[512]; /* FXSAVE64 image */
    uint8_t ymmh[16][16];         /* upper halves of the AVX registers, if the host has them */
    uint64_t gpr[16];             /* rsp is not loaded */
    uint64_t rflags;
    int vector;                   /* -1: ran through */
    uint8_t data[X86N_DATA_SIZE]; /* memory at X86N_DATA */
} X86NState;

/* Control registers of the Vireo CPU for the next runs; x86n_init() sets the usual ones. */
extern uint64_t x86n_cr0, x86n_cr4;
void x86n_init(void);     /* once per process; needs memory at X86N_DATA */
CPUX86State *x86n_env(void);
bool x86n_has_avx(void);
void x86n_native(X86NState *st, const uint8_t *code, size_t len);
void x86n_vireo(X86NState *st, const uint8_t *code, size_t len);
void x86n_random(X86NState *st, GRand *r); /* registers, vectors and data random, x87 empty, MXCSR 1f80h */

#endif
