/* gen-x87-stack.h - what the x87 instructions (gen-x87-forms.c) ask of the guest registers on the host's stack
 * (gen-x87-stack.c). All of it is at translation time: X87Cache says what the host's stack holds at this place of the TB.
 * A slot is a guest register, numbered from TOP at the group's beginning. "Dirty": env does not have the value.
 * An instruction: xstack_usable(), xstack_begin_group(), the tags it wants, fetches, its host instruction, xstack_done().
 * What it does not have in env yet, it says in X87Cache: c1, cc_host, dirty. */
#ifndef TARGET_X86_GEN_X87_STACK_H
#define TARGET_X86_GEN_X87_STACK_H

#include "target-x86/translate.h"

/* An escape byte and its register form, for tcg_gen_x87(). */
#define X87_REG_OP(esc, modrm) ((esc) << 8 | (modrm))

/* False: helpers do all (unmasked exceptions, alignment checks, a host without). */
static inline bool xstack_usable(const DisasContext *dc)
{
    return !(dc->flags & (HF_X87_UNMASKED | HF_AC)) && !dc->s->no_x87;
}

/* The slot of ST(i). */
static inline unsigned xstack_slot_of(const X87Cache *x, unsigned i) { return (x->top + i) & 7; }

/* Whether env has the value of the host's ST0. */
static inline bool xstack_top_is_clean(const X87Cache *x) { return !(x->dirty >> x->slot[0] & 1); }

/* --- groups --- */

void xstack_begin_group(DisasContext *dc);  /* unless there is one; after what may end it, such as a guest address */
void xstack_sync_state(DisasContext *dc);   /* before what has a slow path: how to save the host's stack there */
void xstack_done(DisasContext *dc);         /* FIP and FOP are this instruction's; ends each one */

/* The register has to be full (or empty), else the group's check leaves the TB. False: it is known not to be. */
bool xstack_want_tag(X87Cache *x, unsigned slot, bool full);

/* --- C0 to C3 --- */

void xstack_fold_bits(DisasContext *dc, unsigned take, unsigned clear); /* these of the host's to env; clear: known to be 0 */
void xstack_fold_codes(DisasContext *dc);   /* those that are the guest's, to env */
void xstack_save_c1(DisasContext *dc);      /* before host instructions that the guest does not have: they lose its C1 */

/* --- where a slot's value is: places on the host's stack count from its top --- */

int xstack_find(const X87Cache *x, unsigned slot);            /* -1: it is in env alone */
unsigned xstack_fetch(DisasContext *dc, unsigned slot);       /* the same, loaded if it is not there: needs room */
void xstack_fetch_to_top(DisasContext *dc, unsigned slot);
void xstack_exchange_top(DisasContext *dc, unsigned at);      /* FXCH of the host */
void xstack_make_room(DisasContext *dc, uint8_t keep);        /* for one more; the slots in keep (bits) stay */
void xstack_spill_top(DisasContext *dc);                      /* the host's ST0 goes back to env */

/* --- what a host instruction has done --- */

void xstack_note_push(X87Cache *x, unsigned slot);            /* pushed a copy of this slot */
void xstack_forget_top(X87Cache *x);                          /* popped; the guest did not */
void xstack_set_full(X87Cache *x, unsigned slot);             /* a new value: full and dirty */
/* The host's new ST0 is what the guest has pushed; it takes the place of what was there before. */
void xstack_pushed(DisasContext *dc);
/* The guest pops. What the register held can still be seen in an FXSAVE image: it stays on the host's stack. */
void xstack_pop(X87Cache *x);
/* The same when the host's ST0 was the guest's and env has its value: the host popped too. */
void xstack_pop_both(X87Cache *x);

#endif
