/* string-word.h - the operand word of the rep_* helpers, between gen-string.c and helper-string.c. */
#ifndef TARGET_X86_STRING_WORD_H
#define TARGET_X86_STRING_WORD_H

enum {
    STR_SIZE = 3,             /* MemOp size of an element */
    STR_ASIZE_SHIFT = 2,      /* MO_16..MO_64: width of rSI, rDI, rCX */
    STR_SEG_SHIFT = 4,        /* segment of rSI, 3 bits */
    STR_NOT_EQUAL = 1 << 7,   /* REPNE: CMPS, SCAS end when equal */
    STR_ONE = 1 << 8,         /* one iteration, then "interrupted": single step */
    STR_NO_REP = 1 << 9,      /* no prefix: one element, rCX does not count (INS, OUTS) */
};

#endif
