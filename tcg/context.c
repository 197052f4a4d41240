/* context.c - the life of a TcgContext: one per translating thread, reused for every TB.
 *
 * A context is about 600 KB of tables; tcg_begin() must not touch them, since a boot translates
 * hundreds of thousands of small TBs. Only counters and the constants' hash heads (512 bytes) are
 * reset; temps, ops and maps are overwritten as the next TB fills them. */
#include "tcg/tcg.h"

_Static_assert(sizeof(((TcgContext *)0)->const_head) == 512, "tcg_begin() must stay cheap");

void tcg_begin(TcgContext *s)
{
    s->nb_temps = s->nb_globals + 1; /* globals and env stay */
    s->nb_locals = 0;
    s->nb_ops = 0;
    s->nb_copies = UINT_MAX;
    s->nb_accesses = UINT_MAX;
    s->nb_labels = 0;
    s->overflow = s->as_emitted = false;
    memset(s->const_head, 0xff, sizeof s->const_head);
    s->code_rx = NULL;
    s->code_size = 0;
    s->goto_tb_jump[0] = s->goto_tb_jump[1] = ~0u;
    s->goto_tb_reset[0] = s->goto_tb_reset[1] = ~0u;
    memset(s->lazy_exit, 0, sizeof s->lazy_exit);
    s->nb_insns = 0;
    s->nb_stubs = s->nb_calls = 0;
    s->barrier = NULL;
    s->floating = false;
    s->float_min = ~0ULL;
}

TcgContext *tcg_context_new(const TcgGuest *guest, CodeBuf *buf)
{
    TcgContext *s = g_new0(TcgContext, 1);

    g_assert(guest->nb_globals < TCG_MAX_TEMPS / 2);
    s->guest = guest;
    disas_set_names(guest->helper_name);
    s->buf = buf;
    s->nb_globals = guest->nb_globals;
    for (unsigned i = 0; i < guest->nb_globals; i++) {
        const TcgGlobalInfo *g = &guest->globals[i];
        int pin = g->guest_reg >= 0 && g->type == TCG_I64 ? tcg_host_pin(g->guest_reg) : -1;
        s->temps[i] = (TcgTemp){ .kind = TCG_TEMP_GLOBAL, .type = g->type, .env_offset = g->env_offset, .name = g->name,
                                 .pinned = pin >= 0, .pin_reg = pin >= 0 ? pin : 0 };
    }
    s->env_temp = s->nb_globals;
    s->temps[s->env_temp] = (TcgTemp){ .kind = TCG_TEMP_ENV, .type = TCG_I64, .name = "env" };
    /* What calls get after an overflow: a temp that nothing looks at, since the TB is thrown away. */
    s->temps[TCG_MAX_TEMPS - 1] = (TcgTemp){ .kind = TCG_TEMP_EBB, .type = TCG_I64 };
    tcg_begin(s);
    return s;
}

void tcg_context_free(TcgContext *s)
{
    if (!s)
        return;
    tcg_backend_free(s);
    g_free(s->optimizer);
    g_free(s->stub_map);
    if (s->notes)
        g_array_unref(s->notes);
    g_free(s);
}
