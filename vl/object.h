/* object.h - -object TYPE,id=ID,...: things on the host that devices or networks name. */
#ifndef VL_OBJECT_H
#define VL_OBJECT_H

#include "host/base/osdep.h"

/* Those that devices need are made first, those that need a network after it. */
typedef enum ObjectPhase { OBJECTS_EARLY, OBJECTS_LATE } ObjectPhase;

bool object_check(const char *text, GError **errp); /* type and id; while the command line is read */
bool object_create(const char *text, ObjectPhase phase, GError **errp); /* does nothing in the other phase */
void object_help(GString *out);
void object_cleanup_all(void);

#endif
