/* vnc.h - the VNC server (-vnc, -display vnc=). Main thread, under the BQL; the server's own thread is
 * inside. */
#ifndef HOST_DISPLAY_VNC_H
#define HOST_DISPLAY_VNC_H

#include "host/base/osdep.h"

/* opts is -vnc's text: ADDRESS[,key=value...]; "none" starts nothing. title: what clients show. */
bool vnc_display_start(const char *opts, const char *title, GError **errp);
void vnc_display_stop(void); /* disconnects everybody; harmless when not started */
void vnc_print_info(GString *out); /* `info vnc` */
/* "" forbids everybody. Error: no server, or one without password=on. */
bool vnc_set_password(const char *password, GError **errp);
/* now, never, +SECONDS or seconds since 1970 */
bool vnc_expire_password(const char *when, GError **errp);

#endif
