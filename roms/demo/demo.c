/* demo.c - the guest inside Vireo (`vireo -demo`): shows the machine that it found, then takes commands
 * from the serial line or the keyboard. */
#include "io.h"
#include "machine.h"

void demo_main(void);

static bool equal(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

static void show_help(void);

static const struct {
    const char *name, *what;
    void (*run)(void);
} commands[] = {
    {"help", "this list", show_help},
    {"cpuid", "the processor and its features", show_cpu},
    {"mem", "the memory map that the BIOS gives", show_memory},
    {"pci", "the PCI functions", show_pci},
    {"disk", "the IDE drives", show_disks},
    {"time", "clock and timer", show_time},
    {"reboot", "reset the machine", reboot},
    {"poweroff", "switch the machine off", power_off},
};
enum { NB_COMMANDS = sizeof commands / sizeof commands[0] };

static void show_help(void)
{
    for (int i = 0; i < NB_COMMANDS; i++)
        print("  %10s %s\n", commands[i].name, commands[i].what);
}

static void read_line(char *line, int size)
{
    int n = 0;
    for (;;) {
        int c = get_char();
        if (c < 0) {
            __asm__ volatile("hlt"); /* the timer wakes us */
        } else if (c == '\n') {
            put_char('\n');
            line[n] = 0;
            return;
        } else if (c == '\b') {
            if (n) {
                n--;
                put_char('\b');
            }
        } else if (c >= ' ' && c < 0x7f && n < size - 1) {
            line[n++] = c;
            put_char(c);
        }
    }
}

void demo_main(void)
{
    char line[64];

    console_init();
    timer_init();
    print("Vireo demo guest\n\n");
    show_cpu();
    show_memory();
    show_pci();
    show_disks();
    show_time();
    print("\nType help for the commands.\n");
    for (;;) {
        print("demo> ");
        read_line(line, sizeof line);
        int i = 0;
        while (i < NB_COMMANDS && !equal(line, commands[i].name))
            i++;
        if (i < NB_COMMANDS)
            commands[i].run();
        else if (line[0])
            print("unknown command '%s': try help\n", line);
    }
}
