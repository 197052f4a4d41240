/* device.h - what every chip is: a class (name, size, init, reset, state table, properties) and
 * instances that the board creates. Two instances of a class never share state. */
#ifndef SOFTMMU_DEVICE_H
#define SOFTMMU_DEVICE_H

#include "host/base/osdep.h"
#include "softmmu/vmstate.h"

typedef struct Device Device;
typedef struct DeviceClass DeviceClass;

typedef enum PropKind { PROP_BOOL, PROP_UINT8, PROP_UINT16, PROP_UINT32, PROP_UINT64, PROP_STRING } PropKind;
/* A -device NAME,prop=value property: written into the state before init. */
typedef struct DeviceProp {
    const char *name;
    PropKind kind;
    size_t offset;
    uint64_t def;        /* numbers and bools */
    const char *def_str; /* strings (copied, owned by the device) */
    const char *help;
} DeviceProp;
#define PROP_END {NULL, PROP_BOOL, 0, 0, NULL, NULL}

struct DeviceClass {
    const char *name;
    size_t instance_size;
    /* Map I/O, create timers. The board has set the wiring fields and properties before. */
    bool (*init)(Device *dev, GError **errp);
    /* Power-on values. Called after init and at every system reset. Timers that must not fire are disarmed. */
    void (*reset)(Device *dev);
    const VMField *fields; /* NULL only for a device without state */
    /* Optional: */
    void (*post_load)(Device *dev);  /* rebuild what is derived */
    void (*finalize)(Device *dev);   /* free timers and buffers, remove regions (tests, hot unplug) */
    const DeviceProp *props;
    const char *desc;     /* one line for -device help */
    const char *bus;      /* "ISA", "PCI", "IDE", "System" for `info qtree` */
    bool user_creatable;  /* allowed with -device */
    /* `info qtree`: extra lines, each indented by `indent` spaces. */
    void (*print)(Device *dev, GString *out, int indent);
};

struct Device { /* first member of every device's state */
    const DeviceClass *cls;
    char *id;            /* -device id=, or NULL */
    GList *link;         /* in the machine's device list */
    bool realized;
};

/* Allocates a zeroed instance with property defaults set; not yet initialised. */
Device *device_new(const DeviceClass *cls, const char *id);
/* Set one property from text; false with errp naming device, property and what is allowed. */
bool device_set_prop(Device *dev, const char *name, const char *value, GError **errp);
/* -global: what every instance of that class made from now on gets before its own settings. Texts are copied. */
void device_add_global(const char *driver, const char *prop, const char *value);
/* False: one could not be set. Warns of those that no device took. Forgets them all. */
bool device_check_globals(GError **errp);
/* init + first reset; on failure the device is freed and errp set. Appends to the device list. */
bool device_realize(Device *dev, GError **errp);
void device_free(Device *dev); /* finalize, out of the list */
void device_reset_all(void);   /* in creation order */
GList *device_list(void);      /* of Device*, creation order */
void device_free_all(void);    /* reverse order */

/* Whole-machine state of all devices: sections named by class and instance. */
void device_save_all(GByteArray *out);
bool device_load_all(const uint8_t *data, size_t len, GError **errp);

/* Things that want to hear of a system reset without being devices (the CPU, fw_cfg loaders). */
void reset_handler_add(void (*fn)(void *opaque), void *opaque);

#endif
