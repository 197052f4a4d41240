/* flags.h - lazy flags: families and sizes of cc_op, and what cc-ops.def says of them. */
#ifndef TARGET_X86_FLAGS_H
#define TARGET_X86_FLAGS_H

#include "target-x86/cpu.h"

enum { CCL_S = 1, CCL_2 = 2, CCL_S2 = 3 };

static inline bool cc_op_has_size(CCOp op) { return op >= CC_OP_ADDB && op <= CC_OP_CMPQ; }
static inline unsigned cc_op_size(CCOp op) { return (op - CC_OP_ADDB) & 3; }          /* MO_8 .. MO_64 */
static inline CCOp cc_op_family(CCOp op) { return op - cc_op_size(op); }              /* its byte member */
static inline CCOp cc_op_of(CCOp family_b, unsigned size) { return family_b + size; }
/* INC or DEC over flags that are not known: which one. */
static inline bool cc_op_is_over(CCOp op) { return op >= CC_OP_OVER_INCB; }
static inline CCOp cc_op_over(CCOp op) { return op - CC_OP_OVER_INCB + CC_OP_INCB; }
_Static_assert(CC_OP_ADDB % 4 == 2 && CC_OP_DECB == CC_OP_INCB + 4, "cc_op arithmetic");

/* Which of cc_src (CCL_S), cc_src2 (CCL_2) the op needs; cc_dst: all but EFLAGS. */
unsigned cc_op_live(CCOp op);

#endif
