/** Finds the virtio port whose other end is the host. */
#ifndef BLIXARD_PORT_H
#define BLIXARD_PORT_H

/** A non-blocking descriptor, or -1 when the port did not show up in time, which is reported. */
int port_open(void);

#endif
