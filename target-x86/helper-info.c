/* helper-info.c - the TcgHelperInfo of every helper, expanded from helper-*.def. */
#include "host/base/osdep.h"
#include "target-x86/helper.h"

#define K_v HARG_NONE
#define K_env HARG_ENV
#define K_i32 HARG_I32
#define K_i64 HARG_I64
#define K_ptr HARG_PTR
#define A0() {0}
#define A1(a) {K_##a}
#define A2(a, b) {K_##a, K_##b}
#define A3(a, b, c) {K_##a, K_##b, K_##c}
#define A4(a, b, c, d) {K_##a, K_##b, K_##c, K_##d}
#define A5(a, b, c, d, e) {K_##a, K_##b, K_##c, K_##d, K_##e}
#define A6(a, b, c, d, e, f) {K_##a, K_##b, K_##c, K_##d, K_##e, K_##f}

#define HELPER(name, flags, ret, nargs, ...)                                                       \
    const TcgHelperInfo helper_info_##name = {#name, (void *)helper_##name, flags, K_##ret, nargs, A##nargs(__VA_ARGS__)};
#include "target-x86/helper-int.def"
#include "target-x86/helper-simd.def"
#include "target-x86/helper-sys.def"
#undef HELPER
