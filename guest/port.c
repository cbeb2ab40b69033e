/** Finds the virtio port whose other end is the host. */
#include "port.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "report.h"

/** How long the port may take to show up and to open; its node comes a moment before it can be opened. */
enum { PORT_WAIT_MS = 5000 };

#define PORTS "/sys/class/virtio-ports"

static bool is_named_agent(const char *port) {
    char path[300], name[16] = "";
    snprintf(path, sizeof path, PORTS "/%.200s/name", port);
    FILE *file = fopen(path, "re");
    if (file == NULL) return false;
    bool same = fgets(name, sizeof name, file) != NULL && strcmp(name, "agent\n") == 0;
    fclose(file);
    return same;
}

static int try_open(void) {
    DIR *ports = opendir(PORTS);
    if (ports == NULL) return -1;
    int fd = -1;
    for (struct dirent *entry; fd < 0 && (entry = readdir(ports)) != NULL;) {
        char device[300];
        if (entry->d_name[0] == '.' || !is_named_agent(entry->d_name)) continue;
        snprintf(device, sizeof device, "/dev/%.200s", entry->d_name);
        fd = open(device, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    }
    closedir(ports);
    return fd;
}

int port_open(void) {
    int fd = try_open();
    for (int waited = 0; fd < 0 && waited < PORT_WAIT_MS; waited++) {
        sleep_1ms();
        fd = try_open();
    }
    if (fd < 0) report("there is no port named agent in " PORTS);
    return fd;
}
