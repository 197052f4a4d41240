/* object.h - -object TYPE,id=ID,...: things on the host that devices or networks name. */
#ifndef VL_OBJECT_H
#define VL_OBJECT_H

#include "host/base/osdep.h"

/* Those that drives need, those that devices need, those that need a network: each kind is made before or after that. */
typedef enum ObjectPhase { OBJECTS_FIRST, OBJECTS_EARLY, OBJECTS_LATE } ObjectPhase;

bool object_check(const char *text, GError **errp); /* type and id; while the command line is read */
bool object_create(const char *text, ObjectPhase phase, GError **errp); /* does nothing in the other phase */
/* The memory of -object memory-backend-*; false: there is none of that id. The texts live as long as the objects. */
struct MemSource;
bool object_memory_find(const char *id, struct MemSource *src, uint64_t *size);
void object_help(GString *out);
void object_cleanup_all(void);

#endif
