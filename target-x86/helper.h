/* helper.h - C functions that translated code calls: prototypes and TcgHelperInfo tables, from helper-*.def.
 *
 * HELPER(name, flags, ret, nargs, args...): ret and args are of v (void), env, i32, i64, ptr. The C function is
 * helper_NAME, its table entry helper_info_NAME: tcg_gen_call(s, &helper_info_NAME, out, nin, ...). */
#ifndef TARGET_X86_HELPER_H
#define TARGET_X86_HELPER_H

#include "target-x86/cpu.h"

#define HELPER_C_v void
#define HELPER_C_env CPUX86State *
#define HELPER_C_i32 uint32_t
#define HELPER_C_i64 uint64_t
#define HELPER_C_ptr void *
#define HELPER_P0() void
#define HELPER_P1(a) HELPER_C_##a
#define HELPER_P2(a, b) HELPER_C_##a, HELPER_C_##b
#define HELPER_P3(a, b, c) HELPER_P2(a, b), HELPER_C_##c
#define HELPER_P4(a, b, c, d) HELPER_P3(a, b, c), HELPER_C_##d
#define HELPER_P5(a, b, c, d, e) HELPER_P4(a, b, c, d), HELPER_C_##e
#define HELPER_P6(a, b, c, d, e, f) HELPER_P5(a, b, c, d, e), HELPER_C_##f
#define HELPER(name, flags, ret, nargs, ...)                                                       \
    HELPER_C_##ret helper_##name(HELPER_P##nargs(__VA_ARGS__));                                    \
    extern const TcgHelperInfo helper_info_##name;
#include "target-x86/helper-int.def"
#include "target-x86/helper-simd.def"
#include "target-x86/helper-sys.def"
#undef HELPER

#endif
