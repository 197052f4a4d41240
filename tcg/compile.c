/* compile.c - from IR to host code: the pipeline.
 *
 *      front end (ir-build.h)
 *           | ops on temps                                      -d op
 *           v
 *      tcg_optimize            fold constants, propagate copies, drop what cannot be reached; unless -d op
 *           |                  shows what was before, that is done while the ops are emitted
 *           | ops                                               -d op_opt
 *           v
 *      tcg_liveness            results that go to a pinned register are computed there; last uses
 *           | ops + life bits  are marked; ops whose results nobody reads become nops
 *           v
 *      tcg_regalloc_and_emit   one pass forward, op by op:
 *           |                     regalloc.c   which register holds which value
 *           |                     x86_64/lower*.c, guest-ldst.c   which host instructions
 *           |                     x86_64/emit.c   their bytes
 *           |                  then what was left for the end of the TB: slow-path stubs, exits
 *           v
 *      code in the CodeBuf, insn_map, stub_map, goto_tb offsets
 *
 * Terms: life bits - TcgOp.life; stub - the out-of-line part of one access; thunk - code shared by all
 * stubs (frame.c); tail - what an unlinked goto_tb jumps to; snapshot - dirty globals at an access. */
#include "tcg/tcg.h"

TcgResult tcg_compile(TcgContext *s)
{
    if (s->overflow)
        return TCG_TOO_BIG;
    if (!s->no_optimize && !s->as_emitted)
        tcg_optimize(s);
    tcg_liveness(s);
    return tcg_regalloc_and_emit(s);
}
