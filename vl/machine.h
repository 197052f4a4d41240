/* machine.h - the machine as the program above sees it: create, run, stop, reset, end. Under the BQL. */
#ifndef VL_MACHINE_H
#define VL_MACHINE_H

#include "host/base/osdep.h"
#include "hw/pc/pc.h"
#include "softmmu/runstate.h"
#include "target-x86/cpu.h"
#include "vl/options.h"

/* Chardevs, drives, CPU, board, devices. What it makes so far is freed by machine_destroy() in any case. */
bool machine_create(VlConfig *cfg, GError **errp);
void machine_start(bool stopped);    /* the vCPU thread; -S leaves it in prelaunch */
void machine_stop(RunState why);     /* harmless when it stands still already */
bool machine_continue(GError **errp);
void machine_destroy(void);

/* One look at what was requested since; true: leave the main loop. */
bool machine_handle_requests(void);
int machine_exit_code(void);
void machine_quit(void);             /* `quit`, signals: also with -no-shutdown */

PcMachine *machine_pc(void);
CPUX86State *machine_cpu(void);
const VlConfig *machine_config(void);
void machine_set_one_insn_per_tb(bool on);
bool machine_one_insn_per_tb(void);

#endif
