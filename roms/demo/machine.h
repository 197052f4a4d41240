/* machine.h - see machine.c. */
#ifndef DEMO_MACHINE_H
#define DEMO_MACHINE_H

void show_cpu(void);
void show_memory(void);
void show_pci(void);
void show_disks(void);
void show_time(void);
void timer_init(void);
void reboot(void);
void power_off(void); /* comes back, with a message, if it cannot */

#endif
